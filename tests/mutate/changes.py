"""What may be changed in a module, one small thing at a time: found and made on its syntax tree.

A change is told by the function it lies in, its kind, and the code before and after it, so that it is the same one when
lines move. Messages, docstrings, annotations and assertions are left alone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
}
NAMED = {"min": "max", "max": "min", "any": "all", "all": "any"}
ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class Change:
    """``source``: the whole module with the change made."""

    name: str
    line: int
    source: str


def changes_of(source: str) -> list[Change]:
    """Every change of a module, in the order of its lines."""
    found: list[Change] = []
    seen: Counter[str] = Counter()
    tree = ast.parse(source)
    for place, (where, node) in enumerate(_nodes(tree)):
        for kind, make in _ways(node):
            copied = deepcopy(tree)
            _, target = _at(copied, place)
            before = _text(target)
            changed = make(target)
            after = _text(changed)
            if after == before:
                continue
            if changed is not target:
                _put(copied, target, changed)
            name = f"{where}: {kind}: {before} => {after}"
            seen[name] += 1
            if seen[name] > 1:
                name += f" ({seen[name]})"
            found.append(Change(name, node.lineno, ast.unparse(ast.fix_missing_locations(copied)) + "\n"))
    return found


def _nodes(tree: ast.Module) -> list[tuple[str, ast.expr | ast.stmt]]:
    return list(_walk(tree, ""))


def _at(tree: ast.Module, place: int) -> tuple[str, ast.expr | ast.stmt]:
    return _nodes(tree)[place]


def _walk(node: ast.AST, where: str) -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    """Statements and expressions inside functions, with the function's name."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "ctx"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.JoinedStr | ast.Assert | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{where}.{child.name}".lstrip(".")
                yield from _walk(child, inside)
            elif isinstance(child, ast.AST):
                if where and isinstance(child, ast.expr | ast.stmt):
                    yield where, child
                yield from _walk(child, where)


def _ways(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    match node:
        case ast.Compare(ops=ops):
            for position, op in enumerate(ops):
                for other in COMPARED.get(type(op), ()):
                    yield "comparison", _compared(position, other)
        case ast.If() | ast.IfExp():
            yield "guard turned round", _turned
            if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ENDS):
                yield "guard dropped", lambda _: ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield "call dropped", lambda _: ast.Pass()
        case ast.BoolOp(values=values):
            yield "and for or", _joined
            for position in range(len(values)):
                yield "part dropped", _without(position)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "sign dropped", lambda target: target.operand  # type: ignore[attr-defined]
        case ast.BinOp(op=op) if type(op) in RECKONED and not _is_text(node):
            yield "reckoning", _reckoned
        case ast.Return(value=value) if value is not None and not _is_plain(value):
            yield "returns nothing", _returns_nothing
        case ast.Call(func=ast.Name(id=name)) if name in NAMED:
            yield "opposite", _opposite
        case ast.Call(func=ast.Name(id="isinstance" | "Declined" | "zip")):
            return  # of other types than wanted, in words alone, or the same
        case ast.Call(args=args) if len(args) > 1 and not any(isinstance(one, ast.Starred) for one in args):
            for position in range(len(args) - 1):
                yield "arguments swapped", _swapped(position)
        case ast.Constant(value=bool(value)):
            yield "constant", lambda target: ast.Constant(not target.value)  # type: ignore[attr-defined]
        case ast.Constant(value=int()):
            yield "constant", lambda target: ast.Constant(target.value + 1)  # type: ignore[attr-defined]


def _is_plain(node: ast.expr) -> bool:
    """None, and False, which callers take for the same; True and False are turned round as constants."""
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_text(node: ast.BinOp) -> bool:
    def text(side: ast.expr) -> bool:
        return isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))

    return text(node.left) or text(node.right)


def _compared(position: int, other: type[ast.cmpop]) -> Callable[[ast.AST], ast.AST]:
    def make(target: ast.AST) -> ast.AST:
        assert isinstance(target, ast.Compare)
        ops = [other() if i == position else op for i, op in enumerate(target.ops)]
        return ast.Compare(target.left, ops, target.comparators)

    return make


def _turned(target: ast.AST) -> ast.AST:
    test = ast.UnaryOp(ast.Not(), target.test)  # type: ignore[attr-defined]
    if isinstance(target, ast.If):
        return ast.If(test, target.body, target.orelse)
    assert isinstance(target, ast.IfExp)
    return ast.IfExp(test, target.body, target.orelse)


def _joined(target: ast.AST) -> ast.AST:
    assert isinstance(target, ast.BoolOp)
    return ast.BoolOp(ast.Or() if isinstance(target.op, ast.And) else ast.And(), target.values)


def _without(position: int) -> Callable[[ast.AST], ast.AST]:
    def make(target: ast.AST) -> ast.AST:
        assert isinstance(target, ast.BoolOp)
        left = [value for i, value in enumerate(target.values) if i != position]
        return left[0] if len(left) == 1 else ast.BoolOp(target.op, left)

    return make


def _reckoned(target: ast.AST) -> ast.AST:
    assert isinstance(target, ast.BinOp)
    return ast.BinOp(target.left, RECKONED[type(target.op)](), target.right)


def _returns_nothing(_: ast.AST) -> ast.AST:
    return ast.Return(ast.Constant(None))


def _opposite(target: ast.AST) -> ast.AST:
    assert isinstance(target, ast.Call) and isinstance(target.func, ast.Name)
    return ast.Call(ast.Name(NAMED[target.func.id], ast.Load()), target.args, target.keywords)


def _swapped(position: int) -> Callable[[ast.AST], ast.AST]:
    def make(target: ast.AST) -> ast.AST:
        assert isinstance(target, ast.Call)
        args = list(target.args)
        args[position], args[position + 1] = args[position + 1], args[position]
        return ast.Call(target.func, args, target.keywords)

    return make


def _put(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """``new`` in the place of ``old``."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list):
                for position, one in enumerate(value):
                    if one is old:
                        value[position] = new
                        return


def _text(node: ast.AST) -> str:
    """A node in one line; of a compound statement its head alone."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    text = " ".join(ast.unparse(ast.fix_missing_locations(node)).split())
    return text if len(text) <= 160 else f"{text[:157]}..."
