/* A double of Jupiter Lend (Fluid on Solana), for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real ones' discriminators, account orders, layouts, rounding, exchange prices, rates, rewards,
 * withdrawal limit and error numbers for deposit_with_min_amount_out, redeem_with_min_amount_out and
 * withdraw_with_max_shares_burn. The lending and the liquidity program are one here, which owns the accounts of both.
 * Left out: other protocols of the liquidity program (their debt stands in the reserve from the start), claims, decaying
 * limits, Token-2022, max_utilization, all of administration. Source: Instadapp/fluid-solana-programs, programs/lending
 * and programs/liquidity. */
#include "svm.h"

enum { HAS_ONE = 2001, SEEDS = 2006, ADDRESS = 2012, TOKEN_MINT = 2014, TOKEN_OWNER = 2015, DISCRIMINATOR = 3002,
       TOO_FEW = 3005, OWNED_BY_WRONG = 3007, NOT_SIGNER = 3010, INSIGNIFICANT = 6000, MIN_OUT = 6001, MAX_AMOUNT = 6002,
       PRICE_FELL = 6006, USER_PAUSED = 6027, LIMIT_REACHED = 6028, NEARLY_ZERO = 6030, TOO_BIG = 6031, INSUFFICIENT = 6032,
       PRICE_ZERO = 6039, RATE_VERSION = 6040, RATE_NEGATIVE = 6041, LOCKDOWN = 6042, MATH = 6500 };
enum { L_MINT = 8, L_SHARES = 40, L_REWARDS = 75, L_LIQUIDITY_PRICE = 107, L_PRICE = 115, L_TIME = 123, L_RESERVE = 131 };
enum { A_LIQUIDITY_PROGRAM = 40 };
enum { R_MINT = 8, R_VAULT = 40, R_RATE = 72, R_FEE = 74, R_USED = 76, R_TIME = 78, R_SUPPLY_PRICE = 86, R_BORROW_PRICE = 94,
       R_SUPPLY = 104, R_SUPPLY_FREE = 112, R_BORROW = 120, R_BORROW_FREE = 128 };
enum { P_PROTOCOL = 8, P_MINT = 40, P_INTEREST = 72, P_AMOUNT = 73, P_LIMIT = 81, P_TIME = 97, P_EXPAND = 105,
       P_DURATION = 107, P_BASE = 115, P_STATUS = 123 };
enum { M_MINT = 8, M_VERSION = 40, M_ZERO = 41, M_KINK1 = 43, M_RATE1 = 45, M_MAX = 47, M_KINK2 = 49, M_RATE2 = 51 };
enum { Q_STATUS = 72, Q_BUMP = 73 };
enum { W_MINT = 8, W_LEAST = 40, W_DURATION = 48, W_START = 56, W_YEARLY = 64, W_NEXT_DURATION = 72, W_NEXT = 80 };

#define ONE 1000000000000ULL /* an exchange price of 1 */
#define RATIO 100000000000000000ULL
#define RETURN (100 * ONE)
#define BPS 10000ULL
#define YEAR 31536000ULL
#define MOST_REWARDS (50 * ONE)

static const u8 LENDING_TAG[8] = {0x87, 0xc7, 0x52, 0x10, 0xf9, 0x83, 0xb6, 0xf1};
static const u8 RESERVE_TAG[8] = {0x15, 0x12, 0x3b, 0x87, 0x78, 0x14, 0x1f, 0x0c};
static const u8 POSITION_TAG[8] = {0xca, 0xdb, 0x88, 0x76, 0x3d, 0xb1, 0x15, 0x92};
static const u8 MODEL_TAG[8] = {0x5e, 0x03, 0xcb, 0xdb, 0x6b, 0x89, 0x04, 0xa2};
static const u8 LIQUIDITY_TAG[8] = {0x36, 0xfc, 0xf9, 0xe2, 0x89, 0xac, 0x79, 0x3a};
static const u8 REWARDS_TAG[8] = {0xa6, 0x48, 0x47, 0x83, 0xac, 0x4a, 0xa6, 0xb5};
static const u8 ADMIN_TAG[8] = {0x2a, 0x08, 0x21, 0xdc, 0xa3, 0x28, 0xd2, 0x05};

INLINE u64 u16_at(const u8 *at) { return at[0] | (u64)at[1] << 8; }
INLINE u64 u32_at(const u8 *at) { return u16_at(at) | u16_at(at + 2) << 16; }
INLINE void put16(u8 *at, u64 value) { at[0] = (u8)value; at[1] = (u8)(value >> 8); }
INLINE int tagged(const u8 *data, const u8 *tag) { return get64(data) == get64(tag); }

/* a * b / d of whole numbers, rounded down; up */
FUNCTION int part(u64 a, u64 b, u64 d, u64 *out) {
  u128 x = wide(a), y = wide(b), z = wide(d), q;
  if (muldiv(&x, &y, &z, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

FUNCTION int part_up(u64 a, u64 b, u64 d, u64 *out) {
  u128 sum = minus(plus(product(a, b), wide(d)), wide(1)), one = wide(1), z = wide(d), q;
  if (muldiv(&sum, &one, &z, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

/* get_with_interest_vs_free_ratio */
FUNCTION int smaller_part(u64 one, u64 other, u64 *out) {
  *out = 0;
  if (one == other) *out = one ? BPS : 0;
  return one == other ? 0 : one > other ? part(other, BPS, one, out) : part(one, BPS, other, out);
}

/* ratio_supply_yield, in basis points */
FUNCTION int earned(const u8 *r, u64 *out) {
  u64 supply = get64(r + R_SUPPLY), free = get64(r + R_SUPPLY_FREE), debt = get64(r + R_BORROW), idle = get64(r + R_BORROW_FREE);
  u64 of_supply, of_debt, used = u16_at(r + R_USED), paying;
  *out = 0;
  if (smaller_part(supply, free, &of_supply) || smaller_part(debt, idle, &of_debt)) return 1;
  if (!supply || (supply < free && !of_supply)) return 0;
  u128 ratio, factor, scale, base = product(used, RATIO);
  if (supply < free) {
    u128 whole = product(RATIO, BPS), one = wide(1), by = wide(of_supply);
    if (muldiv(&whole, &one, &by, &factor)) return 1;
    factor = plus(factor, wide(RATIO));
    base = wide(used);
    scale = wide(BPS);
  } else {
    factor = wide(BPS + of_supply);
    scale = wide(BPS * BPS);
  }
  if (muldiv(&base, &factor, &scale, &ratio)) return 1;
  if (part(of_debt, RATIO, BPS + of_debt, &paying)) return 1;
  if (debt >= idle) paying = RATIO - paying;
  u128 by = wide(paying), one = wide(RATIO), bps = wide(BPS), q;
  if (muldiv(&ratio, &by, &one, &q) || muldiv(&q, &bps, &one, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

/* calculate_exchange_prices */
FUNCTION u64 prices(const u8 *r, u64 now, u64 *supply, u64 *borrow) {
  u64 rate = u16_at(r + R_RATE), seconds = now - get64(r + R_TIME), yields, rises;
  *supply = get64(r + R_SUPPLY_PRICE);
  *borrow = get64(r + R_BORROW_PRICE);
  if (!*supply || !*borrow) return CUSTOM(PRICE_ZERO);
  if (now < get64(r + R_TIME)) return CUSTOM(MATH);
  if (!seconds || !rate || !get64(r + R_BORROW)) return 0;
  if (part_up(*borrow, rate * seconds, YEAR * BPS, &rises) || earned(r, &yields)) return CUSTOM(MATH);
  *borrow += rises;
  u128 price = wide(*supply), by = product(rate * yields, (BPS - u16_at(r + R_FEE)) * seconds), year = wide(YEAR * BPS), q, one = wide(1);
  u128 bps = wide(BPS * BPS);
  if (muldiv(&price, &by, &year, &q) || muldiv(&q, &one, &bps, &q) || q.high) return CUSTOM(MATH);
  *supply += q.low;
  return 0;
}

/* calc_utilization, in basis points */
FUNCTION int utilization(const u8 *r, u64 supply_price, u64 borrow_price, u64 *out) {
  u128 supply = plus(product(get64(r + R_SUPPLY), supply_price), product(get64(r + R_SUPPLY_FREE), ONE)), bps = wide(BPS), q;
  u128 debt = plus(product(get64(r + R_BORROW), borrow_price), product(get64(r + R_BORROW_FREE), ONE));
  *out = 0;
  if (is_zero(supply)) return 0;
  if (muldiv(&debt, &bps, &supply, &q) || q.high || q.low > 65535) return 1;
  *out = q.low;
  return 0;
}

/* calc_borrow_rate_from_utilization */
FUNCTION u64 borrow_rate(const u8 *m, u64 used, u64 *out) {
  u64 x1 = 0, y1 = u16_at(m + M_ZERO), x2 = u16_at(m + M_KINK1), y2 = u16_at(m + M_RATE1), version = m[M_VERSION];
  if (version != 1 && version != 2) return CUSTOM(RATE_VERSION);
  if (used >= x2) {
    x1 = x2, y1 = y2, x2 = BPS, y2 = u16_at(m + M_MAX);
    if (version == 2) {
      x2 = u16_at(m + M_KINK2), y2 = u16_at(m + M_RATE2);
      if (used >= x2) x1 = x2, y1 = y2, x2 = BPS, y2 = u16_at(m + M_MAX);
    }
  }
  u64 slope, rises = y2 >= y1;
  if (part(rises ? y2 - y1 : y1 - y2, ONE, x2 - x1, &slope)) return CUSTOM(MATH);
  u128 base = product(y1, ONE), moved = product(slope, used - x1), one = wide(1), scale = wide(ONE), q;
  if (!rises && less(base, moved)) return CUSTOM(RATE_NEGATIVE);
  base = rises ? plus(base, moved) : minus(base, moved);
  if (muldiv(&base, &one, &scale, &q)) return CUSTOM(MATH);
  *out = q.high || q.low > 65535 ? 65535 : q.low;
  return 0;
}

/* get_rate of the present rewards, and of the following ones where ``next`` */
FUNCTION int rewards_rate(const u8 *w, u64 assets, int next, u64 *out) {
  u64 yearly = get64(w + W_YEARLY);
  u128 x, of = wide(assets), by = wide(RETURN), q;
  *out = 0;
  if (assets < get64(w + W_LEAST)) return 0;
  if (next && part(get64(w + W_NEXT), YEAR, get64(w + W_NEXT_DURATION), &yearly)) return 1;
  x = wide(yearly);
  if (muldiv(&x, &by, &of, &q)) return 1;
  *out = q.high || q.low > MOST_REWARDS ? MOST_REWARDS : q.low;
  return 0;
}

INLINE u64 later(u64 a, u64 b) { return a > b ? a : b; }
INLINE u64 sooner(u64 a, u64 b) { return a < b ? a : b; }

/* total_rewards_return */
FUNCTION int returned(const u8 *w, u64 assets, u64 since, u64 now, u64 *out) {
  u64 start = get64(w + W_START), end = start + get64(w + W_DURATION), rate, paid;
  *out = 0;
  if (!start || now < start) return 0;
  if (rewards_rate(w, assets, 0, &rate)) return 1;
  if (rate && since < end) {
    u64 begin = later(since, start), until = sooner(now, end);
    if (until > begin) {
      if (part(rate, until - begin, YEAR, out)) return 1;
      since = until;
    }
  }
  if (!get64(w + W_NEXT) || now <= end) return 0;
  if (rewards_rate(w, assets, 1, &rate)) return 1;
  u64 begin = later(since, end), until = sooner(now, end + get64(w + W_NEXT_DURATION));
  if (until <= begin) return 0;
  if (part(rate, until - begin, YEAR, &paid)) return 1;
  *out += paid;
  return 0;
}

typedef struct {
  Account *owner, *money, *shares, *mint, *admin, *lending, *share_mint, *reserve, *position, *model, *vault, *liquidity,
      *liquidity_program, *rewards, *token;
} Call;

/* calculate_new_token_exchange_price */
FUNCTION u64 token_price(const Call *c, u64 liquidity_price, u64 now, u64 *out) {
  const u8 *l = c->lending->data;
  u64 old = get64(l + L_PRICE), before = get64(l + L_LIQUIDITY_PRICE), assets, rewards, earns, rises;
  if (liquidity_price < before) return CUSTOM(PRICE_FELL);
  if (part(old, get64(c->share_mint->data + 36), ONE, &assets)) return CUSTOM(MATH);
  if (returned(c->rewards->data, assets, get64(l + L_TIME), now, &rewards)) return CUSTOM(MATH);
  if (part(liquidity_price - before, RETURN, before, &earns) || part(old, rewards + earns, RETURN, &rises)) return CUSTOM(MATH);
  *out = old + rises;
  return 0;
}

FUNCTION u64 update_rates(const Call *c, u64 liquidity_price, u64 now, u64 *out) {
  u64 failed = token_price(c, liquidity_price, now, out);
  if (failed) return failed;
  put64(c->lending->data + L_PRICE, *out);
  put64(c->lending->data + L_LIQUIDITY_PRICE, liquidity_price);
  put64(c->lending->data + L_TIME, now);
  return 0;
}

INLINE int kind(const Input *in, const Account *a, const u8 *tag) { return same(a->owner, in->program) && a->size >= 8 && tagged(a->data, tag); }
INLINE int holds(const Account *a, const void *mint) { return a->size >= 165 && same(a->data, mint); }

FUNCTION u64 check(const Input *in, const Call *c) {
  if (!c->owner->signer) return CUSTOM(NOT_SIGNER);
  if (!same(c->lending->owner, in->program) || !same(c->reserve->owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
  if (!kind(in, c->lending, LENDING_TAG) || !kind(in, c->reserve, RESERVE_TAG) || !kind(in, c->position, POSITION_TAG)) return CUSTOM(DISCRIMINATOR);
  if (!kind(in, c->model, MODEL_TAG) || !kind(in, c->liquidity, LIQUIDITY_TAG) || !kind(in, c->rewards, REWARDS_TAG)) return CUSTOM(DISCRIMINATOR);
  if (!kind(in, c->admin, ADMIN_TAG)) return CUSTOM(DISCRIMINATOR);
  const u8 *l = c->lending->data;
  if (!same(l + L_MINT, c->mint->key) || !same(l + L_SHARES, c->share_mint->key)) return CUSTOM(HAS_ONE);
  if (!same(l + L_RESERVE, c->reserve->key) || !same(l + L_REWARDS, c->rewards->key)) return CUSTOM(ADDRESS);
  if (!same(c->admin->data + A_LIQUIDITY_PROGRAM, c->liquidity_program->key)) return CUSTOM(HAS_ONE);
  if (!same(c->rewards->data + W_MINT, c->mint->key) || !same(c->model->data + M_MINT, c->mint->key)) return CUSTOM(HAS_ONE);
  if (!same(c->reserve->data + R_MINT, c->mint->key) || !same(c->reserve->data + R_VAULT, c->vault->key)) return CUSTOM(HAS_ONE);
  if (!same(c->position->data + P_PROTOCOL, c->lending->key) || !same(c->position->data + P_MINT, c->mint->key)) return CUSTOM(HAS_ONE);
  if (!holds(c->money, c->mint->key) || !holds(c->shares, c->share_mint->key)) return CUSTOM(TOKEN_MINT);
  if (!same(c->money->data + 32, c->owner->key) || !same(c->shares->data + 32, c->owner->key)) return CUSTOM(TOKEN_OWNER);
  return c->liquidity->data[Q_STATUS] ? CUSTOM(LOCKDOWN) : 0;
}

/* supply_or_withdraw of the lending program's own position */
FUNCTION u64 moved(u8 *p, u64 amount, int out, u64 price, u64 *raw) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 owned = get64(p + P_AMOUNT), limit = get64(p + P_LIMIT), now = (u64)clock.time, most, grown, expand = u16_at(p + P_EXPAND);
  if (p[P_STATUS]) return CUSTOM(USER_PAUSED);
  if (limit) {
    if (part(owned, expand, BPS, &most) || most > owned || now < get64(p + P_TIME)) return CUSTOM(MATH);
    if (part(most, now - get64(p + P_TIME), u32_at(p + P_DURATION), &grown)) return CUSTOM(MATH);
    limit = limit > grown ? limit - grown : 0;
    limit = later(limit, owned - most);
  }
  *raw = amount;
  if (p[P_INTEREST]) {
    if (out ? part_up(amount, ONE, price, raw) : part(amount, ONE, price, raw)) return CUSTOM(MATH);
    if (!*raw) return CUSTOM(INSUFFICIENT);
  }
  if (out && *raw > owned) return CUSTOM(MATH);
  owned = out ? owned - *raw : owned + *raw;
  if (out && owned < limit) return CUSTOM(LIMIT_REACHED);
  if (part(owned, expand, BPS, &most)) return CUSTOM(MATH);
  put64(p + P_AMOUNT, owned);
  put64(p + P_LIMIT, owned < get64(p + P_BASE) ? 0 : later(limit, owned - most));
  put64(p + P_TIME, now);
  return 0;
}

/* operate, but for the transfer; ``price``: the supply price, ``raw``: what the position gained or lost */
FUNCTION u64 operate(const Call *c, u64 amount, int out, u64 *price, u64 *raw) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u8 *r = c->reserve->data;
  u64 borrow, used, rate, now = (u64)clock.time, place = c->position->data[P_INTEREST] ? R_SUPPLY : R_SUPPLY_FREE;
  if (amount < 10) return CUSTOM(NEARLY_ZERO);
  if (amount >> 63) return CUSTOM(TOO_BIG);
  u64 failed = prices(r, now, price, &borrow);
  if (failed || (failed = moved(c->position->data, amount, out, *price, raw))) return failed;
  u64 total = get64(r + place);
  put64(r + place, out ? (total > *raw ? total - *raw : 0) : total + *raw);
  if (utilization(r, *price, borrow, &used)) return CUSTOM(MATH);
  if ((failed = borrow_rate(c->model->data, used, &rate))) return failed;
  put16(r + R_RATE, rate);
  put16(r + R_USED, used);
  put64(r + R_TIME, now);
  put64(r + R_SUPPLY_PRICE, *price);
  put64(r + R_BORROW_PRICE, borrow);
  return 0;
}

FUNCTION u64 deposit(Input *in, u64 amount, u64 least) {
  Account *a = in->accounts;
  Call c = {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 8, a + 9, a + 10, a + 11, a + 12, a + 13, a + 14};
  u64 failed = check(in, &c), price, raw, registered, share, minted;
  if (failed) return failed;
  Clock clock;
  sol_get_clock_sysvar(&clock);
  TokenCall pay = {TOKEN_TRANSFER, amount, c.money, c.vault, c.owner, c.token};
  if ((failed = token(&pay, in, 0)) || (failed = operate(&c, amount, 0, &price, &raw))) return failed;
  if (part(raw, price, ONE, &registered)) return CUSTOM(MATH);
  if ((failed = update_rates(&c, price, (u64)clock.time, &share))) return failed;
  if (part(registered, ONE, share, &minted)) return CUSTOM(MATH);
  if (!minted) return CUSTOM(INSIGNIFICANT);
  u8 bump = c.admin->data[c.admin->size - 1]; /* where this double keeps it */
  Seed seeds[2] = {{(const u8 *)"lending_admin", 13}, {&bump, 1}};
  Signer signer = {seeds, 2};
  TokenCall mint = {TOKEN_MINT_TO, minted, c.share_mint, c.shares, c.admin, c.token};
  if ((failed = token(&mint, in, &signer))) return failed;
  return minted < least ? CUSTOM(MIN_OUT) : 0;
}

/* execute_withdraw */
FUNCTION u64 pay_out(Input *in, const Call *c, u64 assets, u64 *burnt) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u64 price, borrow, share, raw, failed = prices(c->reserve->data, (u64)clock.time, &price, &borrow);
  if (failed || (failed = update_rates(c, price, (u64)clock.time, &share))) return failed;
  if (part_up(assets, ONE, share, burnt)) return CUSTOM(MATH);
  TokenCall burn = {TOKEN_BURN, *burnt, c->shares, c->share_mint, c->owner, c->token};
  if ((failed = token(&burn, in, 0)) || (failed = operate(c, assets, 1, &price, &raw))) return failed;
  if (STUCK) return CUSTOM(LIMIT_REACHED);
  u8 bump = c->liquidity->data[Q_BUMP];
  Seed seeds[2] = {{(const u8 *)"liquidity", 9}, {&bump, 1}};
  Signer signer = {seeds, 2};
  TokenCall pay = {TOKEN_TRANSFER, PAID(assets), c->vault, c->money, c->liquidity, c->token};
  return token(&pay, in, &signer);
}

FUNCTION u64 withdraw(Input *in, u64 given, u64 bound, int redeems) {
  Account *a = in->accounts;
  Call c = {a, a + 2, a + 1, a + 5, a + 3, a + 4, a + 6, a + 7, a + 8, a + 9, a + 10, a + 12, a + 13, a + 14, a + 15};
  u64 failed = check(in, &c), price, borrow, share, assets = given, burnt;
  if (failed) return failed;
  Clock clock;
  sol_get_clock_sysvar(&clock);
  if (redeems) {
    if ((failed = prices(c.reserve->data, (u64)clock.time, &price, &borrow))) return failed;
    if ((failed = token_price(&c, price, (u64)clock.time, &share))) return failed;
    if (part(given, share, ONE, &assets)) return CUSTOM(MATH);
  }
  if ((failed = pay_out(in, &c, assets, &burnt))) return failed;
  if (redeems) return assets < bound ? CUSTOM(MIN_OUT) : 0;
  return bound && burnt > bound ? CUSTOM(MAX_AMOUNT) : 0;
}

static const u8 DEPOSIT[8] = {0x74, 0x90, 0x10, 0x61, 0x76, 0x6d, 0x28, 0x77};
static const u8 REDEEM[8] = {0xeb, 0xbd, 0xed, 0x38, 0xa6, 0xb4, 0xb8, 0x95};
static const u8 WITHDRAW[8] = {0x2f, 0xc5, 0xb7, 0xab, 0xef, 0x12, 0xf5, 0xab};

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || in.size != 24 || in.count < 17) return CUSTOM(TOO_FEW);
  u64 given = get64(in.data + 8), bound = get64(in.data + 16);
  if (tagged(in.data, DEPOSIT)) {
    LOG("Instruction: DepositWithMinAmountOut");
    return deposit(&in, given, bound);
  }
  if (in.count < 18) return CUSTOM(TOO_FEW);
  if (tagged(in.data, REDEEM)) {
    LOG("Instruction: RedeemWithMinAmountOut");
    return withdraw(&in, given, bound, 1);
  }
  if (tagged(in.data, WITHDRAW)) {
    LOG("Instruction: WithdrawWithMaxSharesBurn");
    return withdraw(&in, given, bound, 0);
  }
  return CUSTOM(101);
}
