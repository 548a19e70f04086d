/* A double of Save's (Solend's) lending program, for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's encodings, account orders, layouts (Reserve of 619 bytes, LendingMarket of 290), rounding,
 * interest by slots, outflow limits of reserve and market and error numbers for refresh_reserve,
 * deposit_reserve_liquidity and redeem_reserve_collateral, of which the latter two accrue by themselves. Left out: prices
 * (a refresh only looks at the oracles: an empty account is a price that cannot be read), obligations, borrowing (debt
 * stands in the reserve from the start), liquidation, flash loans. Source: spl-token-lending's processor.rs and state/. */
#include "svm.h"

enum { INVALID_MARKET_AUTHORITY = 3, INVALID_OWNER = 5, INVALID_AMOUNT = 10,
       INVALID_INPUT = 13, OVERFLOW = 14, INSUFFICIENT_LIQUIDITY = 20, INVALID_ORACLE = 42, OUTFLOW = 54 };

enum { RESERVE_BYTES = 619, MARKET_BYTES = 290 };
enum { R_SLOT = 1, R_STALE = 9, R_MARKET = 10, R_LIQUIDITY_SUPPLY = 75, R_PYTH = 107, R_SWITCHBOARD = 139, R_AVAILABLE = 171,
       R_BORROWED = 179, R_CUMULATIVE = 195, R_COLLATERAL_MINT = 227, R_COLLATERAL = 259, R_OPTIMAL = 299, R_MIN_RATE = 303,
       R_OPTIMAL_RATE = 304, R_MAX_RATE = 305, R_DEPOSIT_LIMIT = 323, R_TAKE = 372, R_FEES = 373, R_LIMITER = 389,
       R_EXTRA = 489, R_MAX_UTILISATION = 470, R_SUPER_MAX_RATE = 471, R_DECIMALS = 74, R_PRICE = 211, R_SMOOTHED = 453,
       R_HAS_EXTRA = 521, R_EXTRA_PRICE = 522 };
enum { M_LIMITER = 162, L_MOST = 0, L_WINDOW = 8, L_BEFORE = 16, L_START = 32, L_NOW = 40 };

#define WAD 1000000000000000000ULL
#define PERCENT 10000000000000000ULL
#define SLOTS_PER_YEAR 63072000ULL

/* floor(a * b / 1e18) and floor(a * 1e18 / b) */
INLINE int wad_mul(const u128 *a, const u128 *b, u128 *out) { u128 w = wide(WAD); return muldiv(a, b, &w, out); }
INLINE int wad_div(const u128 *a, const u128 *b, u128 *out) { u128 w = wide(WAD); return muldiv(a, &w, b, out); }

/* ReserveLiquidity::total_supply */
FUNCTION int total_supply(const u8 *reserve, u128 *out) {
  u128 sum = plus(product(get64(reserve + R_AVAILABLE), WAD), get128(reserve + R_BORROWED));
  u128 fees = get128(reserve + R_FEES);
  if (less(sum, fees)) return 1;
  *out = minus(sum, fees);
  return 0;
}

/* Reserve::current_borrow_rate */
FUNCTION int borrow_rate(const u8 *reserve, u128 *out) {
  u128 supply, used = {0, 0}, borrowed = get128(reserve + R_BORROWED);
  if (total_supply(reserve, &supply)) return 1;
  u128 lent_or_not = plus(product(get64(reserve + R_AVAILABLE), WAD), borrowed); /* fees stay in: utilization_rate */
  if (!is_zero(supply) && !is_zero(borrowed) && wad_div(&borrowed, &lent_or_not, &used)) return 1;
  u128 optimal = wide(reserve[R_OPTIMAL] * PERCENT), top = wide(reserve[R_MAX_UTILISATION] * PERCENT), weight, from, span;
  u64 low, high;
  if (!less(optimal, used)) {
    low = reserve[R_MIN_RATE];
    high = reserve[R_OPTIMAL_RATE];
    if (is_zero(optimal)) {
      *out = wide(low * PERCENT);
      return 0;
    }
    from = used;
    span = optimal;
  } else if (!less(top, used)) {
    low = reserve[R_OPTIMAL_RATE];
    high = reserve[R_MAX_RATE];
    from = minus(used, optimal);
    span = minus(top, optimal);
  } else {
    low = reserve[R_MAX_RATE];
    high = get64(reserve + R_SUPER_MAX_RATE);
    from = minus(used, top);
    span = minus(wide(WAD), top);
  }
  u128 range = wide((high - low) * PERCENT), part;
  if (wad_div(&from, &span, &weight) || wad_mul(&weight, &range, &part)) return 1;
  *out = plus(part, wide(low * PERCENT));
  return 0;
}

/* Rate::try_pow */
FUNCTION int power(const u128 *rate, u64 exponent, u128 *out) {
  u128 base = *rate, result = exponent & 1 ? *rate : wide(WAD);
  while (exponent >>= 1) {
    if (wad_mul(&base, &base, &base)) return 1;
    if ((exponent & 1) && wad_mul(&result, &base, &result)) return 1;
  }
  *out = result;
  return 0;
}

/* Reserve::accrue_interest */
FUNCTION u64 accrue(u8 *reserve, u64 slot) {
  u64 slots = slot - get64(reserve + R_SLOT);
  if (!slots) return 0;
  u128 rate, each, compounded, borrowed = get128(reserve + R_BORROWED), debt, fees, one = wide(1), year = wide(SLOTS_PER_YEAR);
  if (borrow_rate(reserve, &rate) || muldiv(&rate, &one, &year, &each)) return CUSTOM(OVERFLOW);
  each = plus(each, wide(WAD));
  if (power(&each, slots, &compounded)) return CUSTOM(OVERFLOW);
  u128 cumulative = get128(reserve + R_CUMULATIVE);
  if (wad_mul(&cumulative, &compounded, &cumulative) || wad_mul(&borrowed, &compounded, &debt)) return CUSTOM(OVERFLOW);
  u128 take = wide(reserve[R_TAKE] * PERCENT), added = minus(debt, borrowed);
  if (wad_mul(&added, &take, &fees)) return CUSTOM(OVERFLOW);
  put128(reserve + R_CUMULATIVE, cumulative);
  put128(reserve + R_BORROWED, debt);
  put128(reserve + R_FEES, plus(get128(reserve + R_FEES), fees));
  return 0;
}

FUNCTION u64 refresh(Input *in) {
  if (in->count < 3) return CUSTOM(INVALID_INPUT);
  Account *reserve = &in->accounts[0];
  if (!same(reserve->owner, in->program) || reserve->size != RESERVE_BYTES) return CUSTOM(INVALID_OWNER);
  if (!same(in->accounts[1].key, reserve->data + R_PYTH)) return CUSTOM(INVALID_INPUT);
  if (!same(in->accounts[2].key, reserve->data + R_SWITCHBOARD)) return CUSTOM(INVALID_ORACLE);
  if (!in->accounts[1].size && !in->accounts[2].size) return CUSTOM(INVALID_ORACLE);
  u64 extra = get64(reserve->data + R_EXTRA) | get64(reserve->data + R_EXTRA + 8);
  if (extra && (in->count < 4 || !same(in->accounts[3].key, reserve->data + R_EXTRA))) return CUSTOM(INVALID_INPUT);
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 failed = accrue(reserve->data, clock.slot);
  if (failed) return failed;
  put64(reserve->data + R_SLOT, clock.slot);
  reserve->data[R_STALE] = 0;
  return 0;
}

/* CollateralExchangeRate, in wads */
FUNCTION int exchange_rate(const u8 *reserve, u128 *out) {
  u128 supply, collateral = product(get64(reserve + R_COLLATERAL), WAD);
  if (total_supply(reserve, &supply)) return 1;
  *out = wide(WAD);
  return is_zero(collateral) || is_zero(supply) ? 0 : wad_div(&collateral, &supply, out);
}

/* What both calls ask of the reserve's accounts; ``vault``, ``mint``: their places among the accounts. */
FUNCTION u64 check(Input *in, int vault, int mint) {
  Account *reserve = &in->accounts[2], *market = &in->accounts[5];
  if (!same(reserve->owner, in->program) || reserve->size != RESERVE_BYTES) return CUSTOM(INVALID_OWNER);
  if (!same(market->owner, in->program) || market->size != MARKET_BYTES) return CUSTOM(INVALID_OWNER);
  if (!same(reserve->data + R_MARKET, market->key)) return CUSTOM(INVALID_INPUT);
  if (!same(reserve->data + R_LIQUIDITY_SUPPLY, in->accounts[vault].key)) return CUSTOM(INVALID_INPUT);
  if (!same(reserve->data + R_COLLATERAL_MINT, in->accounts[mint].key)) return CUSTOM(INVALID_INPUT);
  if (same(in->accounts[vault].key, in->accounts[0].key) || same(in->accounts[vault].key, in->accounts[1].key))
    return CUSTOM(INVALID_INPUT);
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 failed = accrue(reserve->data, clock.slot);
  if (failed) return failed;
  put64(reserve->data + R_SLOT, clock.slot);
  Seed seeds[2] = {{market->key->bytes, 32}, {market->data + 1, 1}};
  Key derived;
  if (sol_create_program_address(seeds, 2, in->program, &derived)) return CUSTOM(INVALID_MARKET_AUTHORITY);
  return same(&derived, in->accounts[6].key) ? 0 : CUSTOM(INVALID_MARKET_AUTHORITY);
}

/* RateLimiter::update; ``amount``: in wads of what the limiter counts */
FUNCTION u64 limited(u8 *l, u64 slot, const u128 *amount) {
  u64 window = get64(l + L_WINDOW), start = get64(l + L_START);
  if (!window) return 0;
  if (slot < start) return CUSTOM(INVALID_INPUT);
  u64 begins = slot / window * window;
  u128 zero = {0, 0}, before = get128(l + L_BEFORE), now = get128(l + L_NOW), weight, counted;
  if (begins >= start + window) {
    before = begins == start + window ? now : zero;
    now = zero;
    start = begins;
  }
  u128 left = product(window - (slot - start + 1), WAD), one = wide(1), whole = wide(window);
  if (muldiv(&left, &one, &whole, &weight) || wad_mul(&weight, &before, &counted)) return CUSTOM(OVERFLOW);
  u128 after = plus(now, *amount);
  if (less(product(get64(l + L_MOST), WAD), plus(counted, after))) return CUSTOM(OUTFLOW);
  put128(l + L_BEFORE, before);
  put64(l + L_START, start);
  put128(l + L_NOW, after);
  return 0;
}

/* the market's limiter, in US dollars at the reserve's highest stored price (market_value_upper_bound), then its own */
FUNCTION u64 outflow(u8 *market, u8 *reserve, u64 amount) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u128 price = get128(reserve + R_PRICE), other = get128(reserve + R_SMOOTHED), extra = get128(reserve + R_EXTRA_PRICE);
  if (less(price, other)) price = other;
  if (reserve[R_HAS_EXTRA] && less(price, extra)) price = extra;
  u64 unit = 1;
  for (u8 i = 0; i < reserve[R_DECIMALS]; i++) unit *= 10;
  u128 units = wide(amount), each = wide(unit), value, qty = product(amount, WAD);
  if (muldiv(&price, &units, &each, &value)) return CUSTOM(OVERFLOW);
  u64 failed = limited(market + M_LIMITER, clock.slot, &value);
  return failed ? failed : limited(reserve + R_LIMITER, clock.slot, &qty);
}

/* deposit: source, destination, reserve, vault, mint, market, authority, owner, token program */
FUNCTION u64 deposit(Input *in, u64 amount) {
  if (in->count < 9) return CUSTOM(INVALID_INPUT);
  if (!amount) return CUSTOM(INVALID_AMOUNT);
  u64 failed = check(in, 3, 4);
  if (failed) return failed;
  u8 *reserve = in->accounts[2].data;
  u128 supply, limit = product(get64(reserve + R_DEPOSIT_LIMIT), WAD), rate, minted, given = wide(amount);
  if (total_supply(reserve, &supply)) return CUSTOM(OVERFLOW);
  if (less(limit, plus(supply, product(amount, WAD)))) return CUSTOM(INVALID_AMOUNT);
  if (exchange_rate(reserve, &rate) || wad_mul(&given, &rate, &minted) || minted.high) return CUSTOM(OVERFLOW);
  put64(reserve + R_AVAILABLE, get64(reserve + R_AVAILABLE) + amount);
  put64(reserve + R_COLLATERAL, get64(reserve + R_COLLATERAL) + minted.low);
  reserve[R_STALE] = 1;
  Account *market = &in->accounts[5], *program = &in->accounts[8];
  TokenCall pay = {TOKEN_TRANSFER, amount, &in->accounts[0], &in->accounts[3], &in->accounts[7], program};
  failed = token(&pay, in, 0);
  if (failed) return failed;
  Seed seeds[2] = {{market->key->bytes, 32}, {market->data + 1, 1}};
  Signer signer = {seeds, 2};
  TokenCall mint = {TOKEN_MINT_TO, minted.low, &in->accounts[4], &in->accounts[1], &in->accounts[6], program};
  return token(&mint, in, &signer);
}

/* redeem: source, destination, reserve, mint, vault, market, authority, owner, token program */
FUNCTION u64 redeem(Input *in, u64 collateral) {
  if (in->count < 9) return CUSTOM(INVALID_INPUT);
  if (!collateral) return CUSTOM(INVALID_AMOUNT);
  u64 failed = check(in, 4, 3);
  if (failed) return failed;
  u8 *reserve = in->accounts[2].data;
  u128 rate, paid, burnt = wide(collateral);
  if (exchange_rate(reserve, &rate) || wad_div(&burnt, &rate, &paid) || paid.high) return CUSTOM(OVERFLOW);
  if (STUCK) return CUSTOM(OUTFLOW);
  paid.low = PAID(paid.low);
  u64 available = get64(reserve + R_AVAILABLE);
  if (available < paid.low || get64(reserve + R_COLLATERAL) < collateral) return CUSTOM(INSUFFICIENT_LIQUIDITY);
  failed = outflow(in->accounts[5].data, reserve, paid.low);
  if (failed) return failed;
  put64(reserve + R_AVAILABLE, available - paid.low);
  put64(reserve + R_COLLATERAL, get64(reserve + R_COLLATERAL) - collateral);
  reserve[R_STALE] = 1;
  Account *market = &in->accounts[5], *program = &in->accounts[8];
  TokenCall burn = {TOKEN_BURN, collateral, &in->accounts[0], &in->accounts[3], &in->accounts[7], program};
  failed = token(&burn, in, 0);
  if (failed) return failed;
  Seed seeds[2] = {{market->key->bytes, 32}, {market->data + 1, 1}};
  Signer signer = {seeds, 2};
  TokenCall pay = {TOKEN_TRANSFER, paid.low, &in->accounts[4], &in->accounts[1], &in->accounts[6], program};
  return token(&pay, in, &signer);
}

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || in.size < 1) return CUSTOM(INVALID_INPUT);
  if (in.data[0] == 3) return refresh(&in);
  if (in.size != 9) return CUSTOM(INVALID_INPUT);
  u64 amount = get64(in.data + 1);
  if (in.data[0] == 4) {
    LOG("Instruction: Deposit Reserve Liquidity");
    return deposit(&in, amount);
  }
  if (in.data[0] == 5) {
    LOG("Instruction: Redeem Reserve Collateral");
    return redeem(&in, amount);
  }
  return CUSTOM(INVALID_INPUT);
}
