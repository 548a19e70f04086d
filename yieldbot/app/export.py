"""``export``: writes all transactions of our accounts with their values, for taxes."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import account_entries
from yieldbot.app.days import day
from yieldbot.app.export_documents import BalanceCheck, ExportDocument, ExportedAccount, ExportTotals
from yieldbot.app.parts import Money
from yieldbot.app.wiring import JobFilter
from yieldbot.books import stated_costs, tables
from yieldbot.books.beancount import to_beancount
from yieldbot.books.export_text import decimal, within
from yieldbot.books.ledger import BASE, GAINS, Ledger, RowKind, Sums, posted
from yieldbot.errors import ConfigError, InvariantError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import family_of

if TYPE_CHECKING:
    from yieldbot.app.account_entries import AccountEntries
    from yieldbot.app.context import Context
    from yieldbot.books.chain_record import ChainRecord, WalletCheck
    from yieldbot.books.entries import Account
    from yieldbot.books.ledger import LedgerRow
    from yieldbot.books.stated_costs import StatedCosts
    from yieldbot.model.amounts import Token

FORMATS = ("csv", "rotki", "rotki-trades", "beancount")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Which transactions to export, and how."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose accounts are exported; without a filter also accounts of former jobs that are in the journal."""
    format: str = "csv"
    """One of FORMATS."""
    first_day: str | None = None
    """First day (UTC), as 2026-01-01; None: from the beginning."""
    last_day: str | None = None
    """Last day (UTC); None: until now."""
    output: Path | None = None
    """The file to write; None: the export is in the document."""
    overwrite: bool = False
    """Whether an existing file may be overwritten."""
    from_block: int | None = None
    """Block from which transfers are searched (one chain only); None: from the first entry."""
    offline: bool = False
    """Use only the journal, ask no chain."""
    costs: Path | None = None
    """The file that states what tokens cost; None: costs.csv beside yieldbot.toml, if it is there."""


def export(request: ExportRequest, context: Context) -> ExportDocument:
    """Collects the entries, values them and writes the export. Raises ConfigError for malformed days and for a file
    that exists already, InvariantError for a file that cannot be written and for a journal that contradicts itself."""
    start, last = day(request.first_day, "--from"), day(request.last_day, "--to")
    end = None if last is None else last + 86_400
    if start is not None and end is not None and start >= end:
        raise ConfigError(f"--from {request.first_day} is after --to {request.last_day}")
    if request.from_block is not None and request.from_block < 0:
        raise ConfigError(f"--from-block {request.from_block}: name a block's number")
    output = request.output
    if output is not None and output.exists():
        if not output.is_file():
            raise ConfigError(f"--output {output} is not a regular file: name one, or leave the flag out")
        if not request.overwrite:
            raise _there_already(output)
    gathered = account_entries.gather(request.jobs, context, offline=request.offline, since=request.from_block)
    stated = _stated(request, gathered, context)
    books, noticed = Ledger(), _Noticed()
    rows = posted(books, gathered.entries, gathered.quote_of, stated)
    text = _written(request.format, gathered, books, rows, noticed, start, end)
    content = None
    if output is not None:
        write_whole(output, text, request.overwrite)
    else:
        content = "".join(text)
    notes = (*gathered.notes, *noticed.left_out(request.format), *stated.unused(gathered.entries))
    notes += (*noticed.missing(gathered),)
    for line in notes:
        context.say(line)
    sums = noticed.sums.totals
    return ExportDocument(
        exit_code=gathered.code,
        format=request.format,
        output=None if output is None else str(output),
        content=content,
        rows=noticed.rows,
        totals=ExportTotals(
            base=BASE,
            income=decimal(sums.income),
            gains=decimal(sums.gains),
            fees=decimal(sums.fees),
            unknown=sums.unknown,
        ),
        accounts=tuple(
            _account(account, history, gathered.skipped.get(account)) for account, history in gathered.accounts.items()
        ),
        notes=notes,
    )


def _written(
    form: str,
    gathered: AccountEntries,
    books: Ledger,
    posted_rows: Iterable[LedgerRow],
    noticed: _Noticed,
    start: int | None,
    end: int | None,
) -> Iterable[str]:
    """The export's text in parts: a line at a time, but where the format needs all rows first."""
    before: list[LedgerRow] = []

    def chosen() -> Iterator[LedgerRow]:
        for row in posted_rows:
            if within(row, start, end):
                noticed.add(row)
                yield row
            elif form == "beancount" and start is not None and row.entry.at < start:
                before.append(row)

    match form:
        case "csv":
            return tables.to_csv(chosen(), gathered.names)
        case "rotki":
            return tables.to_rotki(chosen(), gathered.names)
        case "rotki-trades":
            return tables.to_rotki_trades(chosen(), gathered.names)
        case _:
            rows = list(chosen())
            closing = _closing(gathered, books) if end is None else {}
            return [to_beancount(rows, gathered.names, before, closing)]


def _closing(gathered: AccountEntries, books: Ledger) -> dict[tuple[Account, Token], tuple[int, int]]:
    """Each wallet's balance on chain and its time, for tokens whose entries add up to that balance."""
    return {
        (account, check.token): (check.chain_raw, history.block.timestamp)
        for account, history in gathered.accounts.items()
        if history is not None
        for check in history.checks
        if books.wallet.get((account, check.token)) == check.chain_raw
    }


def _stated(request: ExportRequest, gathered: AccountEntries, context: Context) -> StatedCosts:
    """What the user says that tokens cost. Raises ConfigError for a file that is named and not there."""
    if request.costs is not None and not request.costs.is_file():
        raise ConfigError(f"--costs {request.costs}: there is no such file; docs/books.md says what is in it")
    file = request.costs or context.config.absolute().parent / stated_costs.FILE
    tokens = {change.token for entry in gathered.entries for change in entry.changes}
    tokens |= {entry.native for entry in gathered.entries if entry.native is not None}
    return stated_costs.read(file, _wallets(gathered), gathered.names.chains, tokens)


def _wallets(gathered: AccountEntries) -> dict[Account, str]:
    """The name of every account that has entries, its address where it has none."""
    accounts = dict.fromkeys((*gathered.accounts, *(entry.account for entry in gathered.entries)))
    return {account: gathered.names.wallet(account) for account in accounts}


class _Noticed:
    """What is said about the exported rows, collected while they are written."""

    def __init__(self) -> None:
        self.rows, self.sums = 0, Sums()
        self._bare, self._bare_symbols, self._trades, self._pools = 0, set[str](), 0, False
        self._costless: dict[tuple[Account, Token], None] = {}

    def add(self, row: LedgerRow) -> None:
        """Add a row."""
        self.rows += 1
        self.sums.add(row)
        if row.value is None and row.what is not RowKind.SHARES:
            self._bare += 1
            self._bare_symbols.add(row.token.symbol)
        gone = row.what in GAINS and (row.raw or 0) < 0
        if (gone or row.what is RowKind.OPENING) and row.cost is None:
            self._costless[row.entry.account, row.token] = None
        self._trades += tables.is_trade(row)
        self._pools |= row.what is RowKind.LIQUIDITY

    def left_out(self, form: str) -> list[str]:
        """Notes about what the format omits."""
        more = f"{self._trades} swaps are not in it: rotki takes them as trades, see --format rotki-trades"
        return [more] if form == "rotki" and self._trades else []

    def missing(self, gathered: AccountEntries) -> list[str]:
        """Notes about rows without a value or a gain, and about liquidity, a line each."""
        lines = []
        if self._bare:
            symbols = ", ".join(sorted(self._bare_symbols))
            lines.append(
                f"{self._bare} of {self.rows} rows have no value in {BASE} ({symbols}): no price is known then"
            )
        if costless := self._costless:
            what = ", ".join(sorted({token.symbol for _, token in costless}))
            traceable = any(_has_events(token) for _, token in costless)
            hint = ": an earlier --from-block may find it, or" if traceable else ":"
            lines.append(
                f"the cost of some {what} is unknown, and so is the gain on it{hint} say in {stated_costs.FILE}"
            )
            text = stated_costs.lines_for(costless, _wallets(gathered), gathered.names.chains)
            lines.append(f"  beside yieldbot.toml what a token cost (docs/books.md): {text}")
        if self._pools:
            lines.append("profit of liquidity is in no row and no sum: docs/books.md says where it is shown")
        return lines


def _has_events(token: Token) -> bool:
    """Whether the chain's events show the token's transfers; native tokens have none."""
    family = family_of(token.chain)
    return family.finds_past and token.address != family.native


def _account(account: Account, history: ChainRecord | None, skipped: str | None) -> ExportedAccount:
    return ExportedAccount(
        owner=account[1],
        chain_id=account[0],
        skipped=skipped,
        block=history.block.height if history else None,
        since=history.since if history else None,
        checks=tuple(_check(check) for check in history.checks) if history else (),
    )


def _check(check: WalletCheck) -> BalanceCheck:
    return BalanceCheck(
        token=check.token.address,
        symbol=check.token.symbol,
        books_raw=str(check.books_raw),
        chain_raw=str(check.chain_raw),
        known=check.known,
        explained=check.explained,
        difference=Money.of(check.difference),
    )


def write_whole(file: Path, text: str | Iterable[str], force: bool) -> None:
    """Write a file (its text, or the parts of it) completely or not at all, readable only by its owner. Raises
    ConfigError if it exists already (unless ``force``), InvariantError if it cannot be written."""
    target, name = file.resolve(), ""  # what a link points at, not the link
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as made:
            made.writelines([text] if isinstance(text, str) else text)
            made.flush()
            os.fsync(made.fileno())
        if force:
            os.replace(name, target)
        else:
            _put(name, target)
    except FileExistsError:
        raise _there_already(file) from None
    except OSError as failure:
        raise InvariantError(f"{file} cannot be written ({failure.strerror}); nothing was left there") from None
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


def refuse_unwritable(file: Path, flag: str) -> None:
    """Raise ConfigError if ``flag`` names a file that ``write_whole`` could not write: before long work instead of
    after it."""
    target = file.resolve()
    if target.is_dir():
        raise ConfigError(f"{flag} {file} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise ConfigError(f"{flag} {file}: there is no folder {target.parent}; make it first")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        os.unlink(name)
    except OSError as failure:
        raise ConfigError(f"{flag} {file}: nothing can be written there ({failure.strerror})") from None


def _put(name: str, target: Path) -> None:
    """Give a written file its final name. Raises FileExistsError if one exists there."""
    try:
        os.link(name, target)
    except OSError as failure:
        if failure.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if target.exists():  # a file system without hard links
            raise FileExistsError from None
        os.replace(name, target)


def _there_already(file: Path) -> ConfigError:
    return ConfigError(f"--output {file} exists already: name another file, or add --force")
