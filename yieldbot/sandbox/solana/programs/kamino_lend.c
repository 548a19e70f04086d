/* A double of Kamino's lending program (klend), for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's discriminators, account orders, layouts (Reserve of 8624 bytes, LendingMarket of 4664),
 * U68F60 rounding, interest by slots, withdrawal caps and error numbers for refresh_reserve, refresh_reserves_batch
 * (without prices), deposit_reserve_liquidity and redeem_reserve_collateral. Left out: prices (a refresh only looks at
 * the oracles' addresses), obligations, borrowing (debt stands in the reserve from the start), farms, Token-2022, the cumulative borrow rate, time stamps of
 * crossed limits. Source: klend 1.16.0, state/reserve.rs, lending_market/ and handlers/. */
#include "svm.h"

enum { HAS_ONE = 2001, SEEDS = 2006, ADDRESS = 2012, TOKEN_MINT = 2014, DISCRIMINATOR = 3002, OWNED_BY_WRONG = 3007,
       NOT_SIGNER = 3010, TOO_FEW = 3005, INVALID_AMOUNT = 6003, INVALID_INPUT = 6006, OVERFLOW = 6007,
       INSUFFICIENT_LIQUIDITY = 6008, STALE = 6009, EMERGENCY = 6042, PYTH = 6054, SWITCHBOARD = 6055, SCOPE = 6056,
       CAP_REACHED = 6064, DEPRECATED = 6073, OBSOLETE = 6082, LIMIT_EXCEEDED = 6090, CTOKEN_BLOCKED = 6132 };

enum { RESERVE_BYTES = 8624, MARKET_BYTES = 4664 };
enum { M_BUMP = 16, M_REFERRAL = 120, M_EMERGENCY = 122 };
enum { R_VERSION = 8, R_SLOT = 16, R_STALE = 24, R_MARKET = 32, R_MINT = 128, R_VAULT = 160, R_AVAILABLE = 224,
       R_BORROWED = 232, R_FEES = 344, R_REFERRER = 360, R_PENDING = 376, R_COLLATERAL_MINT = 2560, R_COLLATERAL = 2592,
       R_COLLATERAL_VAULT = 2600, R_STATUS = 4856, R_HOST = 4858, R_BLOCKED = 4862, R_TAKE = 4870, R_CURVE = 4920,
       R_LIMIT = 5016, R_SCOPE = 5112, R_SWITCHBOARD = 5160, R_TWAP = 5192, R_PYTH = 5224, R_CAP = 5416, R_CAP_TOTAL = 5424,
       R_CAP_START = 5432, R_CAP_SECONDS = 5440, R_QUEUED = 6968 };

#define ONE (1ULL << 60)
#define SLOTS_PER_YEAR 63072000ULL
#define POINTS 11

static const u8 RESERVE_TAG[8] = {0x2b, 0xf2, 0xcc, 0xca, 0x1a, 0xf7, 0x3b, 0x7f};
static const u8 MARKET_TAG[8] = {0xf6, 0x72, 0x32, 0x62, 0x48, 0x9d, 0x1c, 0x78};

INLINE u64 u16_at(const u8 *at) { return at[0] | (u64)at[1] << 8; }
INLINE u64 u32_at(const u8 *at) { return u16_at(at) | u16_at(at + 2) << 16; }
INLINE int tagged(const u8 *data, const u8 *tag) { return get64(data) == get64(tag); }
/* a * b, rounded down, of fractions; a * n / d of a fraction and whole numbers */
INLINE int times(const u128 *a, const u128 *b, u128 *out) { u128 one = wide(ONE); return muldiv(a, b, &one, out); }
INLINE int ratio(const u128 *a, u64 n, u64 d, u128 *out) { u128 x = wide(n), y = wide(d); return muldiv(a, &x, &y, out); }
INLINE u128 fraction(u64 whole) { return product(whole, ONE); }
INLINE int bps(u64 value, u128 *out) { u128 whole = fraction(value); return ratio(&whole, 1, 10000, out); }

/* ReserveLiquidity::total_supply */
FUNCTION int total_supply(const u8 *r, u128 *out) {
  u128 sum = plus(fraction(get64(r + R_AVAILABLE)), get128(r + R_BORROWED));
  u128 fees = plus(plus(get128(r + R_FEES), get128(r + R_REFERRER)), get128(r + R_PENDING));
  if (less(sum, fees)) return 1;
  *out = minus(sum, fees);
  return 0;
}

/* BorrowRateCurve::get_borrow_rate */
FUNCTION int borrow_rate(const u8 *r, u128 *out) {
  u128 supply, used = {0, 0}, borrowed = get128(r + R_BORROWED), one = wide(ONE), rounded, start, part, offset;
  if (total_supply(r, &supply)) return 1;
  if (!is_zero(supply) && muldiv(&borrowed, &one, &supply, &used)) return 1;
  if (less(one, used)) used = one;
  rounded = plus(product(used.low, 10000), wide(ONE / 2));
  u64 at = rounded.high << 4 | rounded.low >> 60;
  for (int i = 0; i + 1 < POINTS; i++) {
    const u8 *point = r + R_CURVE + 8 * i;
    u64 low = u32_at(point), rate = u32_at(point + 4), high = u32_at(point + 8), top = u32_at(point + 12);
    if (at < low || at > high) continue;
    if (at == low) return bps(rate, out);
    if (at == high) return bps(top, out);
    if (bps(low, &start) || bps(rate, &offset)) return 1;
    part = minus(used, start);
    if (ratio(&part, top - rate, high - low, &part)) return 1;
    *out = plus(part, offset);
    return 0;
  }
  return 1;
}

/* approximate_compounded_interest */
FUNCTION int growth(const u128 *rate, u64 slots, u128 *out) {
  u128 base, square, cube, first, second, third, one = wide(ONE), once;
  if (ratio(rate, 1, SLOTS_PER_YEAR, &base)) return 1;
  once = plus(one, base);
  if (slots <= 4) {
    *out = one;
    if (slots == 4) return times(&once, &once, &once) || times(&once, &once, out);
    for (u64 i = 0; i < slots; i++)
      if (times(out, &once, out)) return 1;
    return 0;
  }
  if (times(&base, &base, &square) || times(&square, &base, &cube) || ratio(&base, slots, 1, &first)) return 1;
  if (ratio(&square, slots, 1, &second) || ratio(&second, slots - 1, 2, &second)) return 1;
  if (ratio(&cube, slots, 1, &third) || ratio(&third, slots - 1, 1, &third) || ratio(&third, slots - 2, 6, &third)) return 1;
  *out = plus(plus(one, first), plus(second, third));
  return 0;
}

/* ReserveLiquidity::compound_interest */
FUNCTION u64 accrue(u8 *r, u64 slot, u64 referral_bps) {
  u64 slots = slot - get64(r + R_SLOT);
  if (!slots) return 0;
  u128 rate, host, all, fixed, debt, borrowed = get128(r + R_BORROWED), take = fraction(r[R_TAKE]), share, fee, passed;
  if (borrow_rate(r, &rate) || bps(u16_at(r + R_HOST), &host)) return CUSTOM(OVERFLOW);
  rate = plus(rate, host);
  if (growth(&rate, slots, &all) || growth(&host, slots, &fixed)) return CUSTOM(OVERFLOW);
  if (times(&borrowed, &all, &debt) || times(&borrowed, &fixed, &fixed)) return CUSTOM(OVERFLOW);
  fixed = minus(fixed, borrowed);
  u128 interest = minus(minus(debt, borrowed), fixed);
  if (ratio(&take, 1, 100, &take) || bps(referral_bps, &share) || times(&take, &share, &share)) return CUSTOM(OVERFLOW);
  if (times(&interest, &take, &fee) || times(&interest, &share, &passed)) return CUSTOM(OVERFLOW);
  put128(r + R_BORROWED, debt);
  put128(r + R_FEES, minus(plus(plus(get128(r + R_FEES), fixed), fee), passed));
  put128(r + R_PENDING, plus(get128(r + R_PENDING), passed));
  return 0;
}

FUNCTION u64 refreshed(u8 *r, const u8 *market) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 failed = accrue(r, clock.slot, u16_at(market + M_REFERRAL));
  if (failed) return failed;
  put64(r + R_SLOT, clock.slot);
  r[R_STALE] = 0;
  return 0;
}

/* What the account constraints ask of a reserve and its market. */
FUNCTION u64 belong(Input *in, Account *reserve, Account *market) {
  if (!same(reserve->owner, in->program) || !same(market->owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
  if (reserve->size != RESERVE_BYTES || !tagged(reserve->data, RESERVE_TAG)) return CUSTOM(DISCRIMINATOR);
  if (market->size != MARKET_BYTES || !tagged(market->data, MARKET_TAG)) return CUSTOM(DISCRIMINATOR);
  if (!same(reserve->data + R_MARKET, market->key)) return CUSTOM(HAS_ONE);
  if (market->data[M_EMERGENCY]) return CUSTOM(EMERGENCY);
  return get64(reserve->data + R_VERSION) == 1 ? 0 : CUSTOM(DEPRECATED);
}

/* An oracle that the reserve does not name stands as the program itself. */
FUNCTION int oracle(const Input *in, int place, const u8 *wanted) {
  int none = 1;
  for (int i = 0; i < 32; i++) none &= !wanted[i];
  return same(in->accounts[place].key, none ? (const u8 *)in->program : wanted);
}

FUNCTION u64 refresh(Input *in) {
  if (in->count < 6) return CUSTOM(TOO_FEW);
  u64 failed = belong(in, &in->accounts[0], &in->accounts[1]);
  if (failed) return failed;
  u8 *r = in->accounts[0].data;
  if (!oracle(in, 2, r + R_PYTH)) return CUSTOM(PYTH);
  if (!oracle(in, 3, r + R_SWITCHBOARD) || !oracle(in, 4, r + R_TWAP)) return CUSTOM(SWITCHBOARD);
  if (!oracle(in, 5, r + R_SCOPE)) return CUSTOM(SCOPE);
  return refreshed(r, in->accounts[1].data);
}

/* refresh_reserves_batch without prices: pairs of a reserve and its market */
FUNCTION u64 refresh_batch(Input *in) {
  for (u64 i = 0; i < in->count; i += 2) {
    if (i + 1 == in->count) return CUSTOM(INVALID_INPUT);
    u64 failed = belong(in, &in->accounts[i], &in->accounts[i + 1]);
    if (failed || (failed = refreshed(in->accounts[i].data, in->accounts[i + 1].data))) return failed;
  }
  return 0;
}

typedef struct { Account *owner, *reserve, *market, *authority, *mint, *vault, *collateral, *liquidity, *shares, *program; } Call;

FUNCTION u64 check(Input *in, const Call *c) {
  if (!c->owner->signer) return CUSTOM(NOT_SIGNER);
  u64 failed = belong(in, c->reserve, c->market);
  if (failed) return failed;
  const u8 *r = c->reserve->data;
  u8 bump = c->market->data[M_BUMP];
  Seed seeds[3] = {{(const u8 *)"lma", 3}, {c->market->key->bytes, 32}, {&bump, 1}};
  Key derived;
  if (sol_create_program_address(seeds, 3, in->program, &derived) || !same(&derived, c->authority->key)) return CUSTOM(SEEDS);
  if (!same(r + R_MINT, c->mint->key) || !same(r + R_VAULT, c->vault->key)) return CUSTOM(ADDRESS);
  if (!same(r + R_COLLATERAL_MINT, c->collateral->key)) return CUSTOM(ADDRESS);
  if (c->liquidity->size < 165 || !same(c->liquidity->data, c->mint->key)) return CUSTOM(TOKEN_MINT);
  if (c->shares->size < 165 || !same(c->shares->data, c->collateral->key)) return CUSTOM(TOKEN_MINT);
  if (same(r + R_VAULT, c->liquidity->key) || same(r + R_COLLATERAL_VAULT, c->shares->key)) return CUSTOM(INVALID_INPUT);
  return 0;
}

/* check_and_update_withdrawal_caps; ``out``: a withdrawal, else a deposit */
FUNCTION u64 count(u8 *r, u64 amount, int out) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 seconds = get64(r + R_CAP_SECONDS), now = (u64)clock.time;
  if (seconds && now - get64(r + R_CAP_START) >= seconds) {
    put64(r + R_CAP_TOTAL, 0);
    put64(r + R_CAP_START, now);
  }
  i64 total = (i64)get64(r + R_CAP_TOTAL), cap = (i64)get64(r + R_CAP);
  if (seconds && out && (cap < 0 || total > cap || amount > (u64)cap - (u64)total)) return CUSTOM(CAP_REACHED);
  put64(r + R_CAP_TOTAL, out ? (u64)total + amount : (u64)total - amount);
  return 0;
}

/* c * liquidity / collateral of the exchange rate, as a fraction; one for one in an empty reserve */
FUNCTION int worth(const u8 *r, u64 shares, u128 *out) {
  u128 supply, owned = wide(get64(r + R_COLLATERAL)), part = wide(shares);
  if (total_supply(r, &supply)) return 1;
  *out = fraction(shares);
  return is_zero(owned) || is_zero(supply) ? 0 : muldiv(&part, &supply, &owned, out);
}

INLINE u64 whole(u128 value) { return value.high << 4 | value.low >> 60; }

/* owner, reserve, market, authority, mint, vault, collateral mint, from, to, token programs, instructions sysvar */
FUNCTION u64 deposit(Input *in, u64 amount) {
  Account *a = in->accounts;
  Call c = {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 8, a + 9};
  u64 failed = check(in, &c);
  if (failed) return failed;
  u8 *r = c.reserve->data;
  if (r[R_STATUS] == 1) return CUSTOM(OBSOLETE);
  if (r[R_BLOCKED]) return CUSTOM(CTOKEN_BLOCKED);
  if ((failed = refreshed(r, c.market->data))) return failed;
  if (!amount) return CUSTOM(INVALID_AMOUNT);
  u128 supply, given = fraction(amount), owned = wide(get64(r + R_COLLATERAL)), minted = wide(amount), priced;
  if (total_supply(r, &supply)) return CUSTOM(OVERFLOW);
  if (!is_zero(owned) && !is_zero(supply) && muldiv(&given, &owned, &supply, &minted)) return CUSTOM(OVERFLOW);
  u64 taken = minted.low;
  if (!is_zero(owned) && !is_zero(supply)) { /* collateral_to_liquidity_ceil: rounded up twice */
    if (worth(r, minted.low, &priced)) return CUSTOM(OVERFLOW);
    u128 back, lost = product(0, 0), exact = wide(minted.low);
    if (muldiv(&priced, &owned, &exact, &back) == 0 && less(back, supply)) lost = wide(1);
    priced = plus(plus(priced, lost), wide(ONE - 1));
    taken = whole(priced);
  }
  if (amount < taken) return CUSTOM(OVERFLOW);
  if (less(fraction(get64(r + R_LIMIT)), plus(supply, fraction(taken)))) return CUSTOM(LIMIT_EXCEEDED);
  if ((failed = count(r, taken, 0))) return failed;
  put64(r + R_AVAILABLE, get64(r + R_AVAILABLE) + taken);
  put64(r + R_COLLATERAL, get64(r + R_COLLATERAL) + minted.low);
  r[R_STALE] = 1;
  TokenCall pay = {TOKEN_TRANSFER, taken, c.liquidity, c.vault, c.owner, a + 10};
  if ((failed = token(&pay, in, 0))) return failed;
  u8 bump = c.market->data[M_BUMP];
  Seed seeds[3] = {{(const u8 *)"lma", 3}, {c.market->key->bytes, 32}, {&bump, 1}};
  Signer signer = {seeds, 3};
  TokenCall mint = {TOKEN_MINT_TO, minted.low, c.collateral, c.shares, c.authority, c.program};
  return token(&mint, in, &signer);
}

/* owner, market, reserve, authority, mint, collateral mint, vault, from, to, token programs, instructions sysvar */
FUNCTION u64 redeem(Input *in, u64 shares) {
  Account *a = in->accounts;
  Call c = {a, a + 2, a + 1, a + 3, a + 4, a + 6, a + 5, a + 8, a + 7, a + 9};
  u64 failed = check(in, &c);
  if (failed) return failed;
  u8 *r = c.reserve->data;
  if ((failed = refreshed(r, c.market->data))) return failed;
  if (!shares) return CUSTOM(INVALID_AMOUNT);
  u128 paid, queued;
  if (worth(r, shares, &paid) || worth(r, get64(r + R_QUEUED), &queued)) return CUSTOM(OVERFLOW);
  if (STUCK) return CUSTOM(CAP_REACHED);
  u64 amount = PAID(whole(paid)), available = get64(r + R_AVAILABLE), kept = whole(queued);
  if (get64(r + R_COLLATERAL) < shares) return CUSTOM(OVERFLOW);
  if ((available > kept ? available - kept : 0) < amount) return CUSTOM(INSUFFICIENT_LIQUIDITY);
  put64(r + R_AVAILABLE, available - amount);
  put64(r + R_COLLATERAL, get64(r + R_COLLATERAL) - shares);
  r[R_STALE] = 1;
  if ((failed = count(r, amount, 1))) return failed;
  TokenCall burn = {TOKEN_BURN, shares, c.shares, c.collateral, c.owner, c.program};
  if ((failed = token(&burn, in, 0))) return failed;
  u8 bump = c.market->data[M_BUMP];
  Seed seeds[3] = {{(const u8 *)"lma", 3}, {c.market->key->bytes, 32}, {&bump, 1}};
  Signer signer = {seeds, 3};
  TokenCall pay = {TOKEN_TRANSFER, amount, c.vault, c.liquidity, c.authority, a + 10};
  return token(&pay, in, &signer);
}

static const u8 REFRESH[8] = {0x02, 0xda, 0x8a, 0xeb, 0x4f, 0xc9, 0x19, 0x66};
static const u8 REFRESH_BATCH[8] = {0x90, 0x6e, 0x1a, 0x67, 0xa2, 0xcc, 0xfc, 0x93};
static const u8 DEPOSIT[8] = {0xa9, 0xc9, 0x1e, 0x7e, 0x06, 0xcd, 0x66, 0x44};
static const u8 REDEEM[8] = {0xea, 0x75, 0xb5, 0x7d, 0xb9, 0x8e, 0xdc, 0x1d};

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || in.size < 8) return CUSTOM(TOO_FEW);
  if (tagged(in.data, REFRESH)) return refresh(&in);
  if (tagged(in.data, REFRESH_BATCH) && in.size == 9 && in.data[8]) return refresh_batch(&in);
  if (in.size != 16 || in.count < 12) return CUSTOM(TOO_FEW);
  u64 amount = get64(in.data + 8);
  if (tagged(in.data, DEPOSIT)) {
    LOG("Instruction: DepositReserveLiquidity");
    return deposit(&in, amount);
  }
  if (tagged(in.data, REDEEM)) {
    LOG("Instruction: RedeemReserveCollateral");
    return redeem(&in, amount);
  }
  return CUSTOM(101);
}
