/* A double of marginfi's lending program (marginfi-v2), for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's discriminators, account orders, layouts (Bank of 1864 bytes, MarginfiAccount of 2312,
 * MarginfiGroup of 1064), I80F48 rounding, interest by seconds, deposit limits, share accounting and error numbers for
 * lending_pool_accrue_bank_interest, marginfi_account_initialize_pda, lending_account_deposit, lending_account_withdraw
 * and marginfi_account_close, and to 0.1.9's windows of outflow of bank and group. An oracle here is sixteen bytes, US
 * dollars as I80F48; fewer are a price that cannot be read. Left out: borrowing (debt stands in the bank from the start),
 * prices but for the group's windows (the health check only looks whether the banks and oracles are there, which is all
 * that an account without debt needs), Token-2022, emissions, deposit_up_to_limit, third-party account ids, the caches of
 * rates and health, events. Source: marginfi-v2 0.1.7,
 * state/ and instructions/. */
#include "svm.h"

enum { SEEDS = 2006, DISCRIMINATOR = 3002, OWNED_BY_WRONG = 3007, BAD_PROGRAM = 3008, NOT_SIGNER = 3010, ABSENT = 3012,
       TOO_FEW = 3005, CAPACITY = 6003, BAD_BANK = 6008, SLOTS_FULL = 6010, BANK_PAUSED = 6016, REDUCED = 6017,
       NO_BALANCE = 6018, DEPOSIT_ONLY = 6019, WITHDRAW_ONLY = 6020, NO_ASSET = 6023, UTILISATION = 6026,
       EMISSIONS_LEFT = 6033, DISABLED = 6035, UNAUTHORIZED = 6042, ILLEGAL = 6043, FEW_ORACLES = 6051, BAD_ORACLE = 6060, MATH = 6062,
       PROTOCOL_PAUSED = 6080, KILLED = 6084, BAD_GROUP = 6093, BAD_VAULT = 6094, FROZEN = 6103, BANK_HOUR = 6115,
       BANK_DAY = 6116, GROUP_HOUR = 6117, GROUP_DAY = 6118, NO_PRICE = 6119, BAD_TAG = 6200 };

enum { GROUP_BYTES = 1064, G_FLAGS = 40, G_FEE_FIXED = 80, G_FEE_RATE = 96, G_PAUSE = 256, G_PAUSED_AT = 264, G_HOURLY = 376,
       G_DAILY = 416 };
enum { BANK_BYTES = 1864, B_MINT = 8, B_GROUP = 41, B_ASSET_VALUE = 80, B_LIABILITY_VALUE = 96, B_VAULT = 112,
       B_AUTHORITY_BUMP = 145, B_INSURANCE = 184, B_GROUP_FEES = 240, B_LIABILITIES = 256, B_ASSETS = 272, B_UPDATED = 288,
       B_LIMIT = 360, B_OPTIMAL = 368, B_PLATEAU = 384, B_MOST = 400, B_INSURANCE_FIXED = 416, B_INSURANCE_RATE = 432,
       B_GROUP_FIXED = 448, B_GROUP_RATE = 464, B_ZERO = 496, B_HUNDRED = 500, B_POINTS = 504, B_CURVE = 544, B_STATE = 608,
       B_ORACLE_SETUP = 609, B_TAG = 785, B_FLAGS = 840, B_PROGRAM_FEES = 904, B_LENDERS = 1536, B_HOURLY = 1656,
       B_DAILY = 1696 };
enum { W_MOST = 0, W_LENGTH = 8, W_START = 16, W_BEFORE = 24, W_NOW = 32, W_BYTES = 40, B_DECIMALS = 40 };
enum { ACCOUNT_BYTES = 2312, A_GROUP = 8, A_AUTHORITY = 40, A_BALANCES = 72, A_FLAGS = 1800, A_UPDATED = 2208,
       A_INDEX = 2216, A_BUMP = 2220, BALANCES = 16 };
enum { BALANCE_BYTES = 104, P_ACTIVE = 0, P_BANK = 1, P_TAG = 33, P_ASSETS = 40, P_LIABILITIES = 56, P_EMISSIONS = 72,
       P_UPDATED = 88 };

#define ONE (1ULL << 48)
#define SECONDS_PER_YEAR 31536000ULL
#define PAUSE_SECONDS 1800
#define ACCOUNT_RENT ((128ULL + ACCOUNT_BYTES) * 6960)
#define LITTLE 28147497671ULL /* ZERO_AMOUNT_THRESHOLD: 0.0001 */
#define NO_LIMIT (~0ULL)

static const u8 GROUP_TAG[8] = {0xb6, 0x17, 0xad, 0xf0, 0x97, 0xce, 0xb6, 0x43};
static const u8 BANK_TAG[8] = {0x8e, 0x31, 0xa6, 0xf2, 0x32, 0x42, 0x61, 0xbc};
static const u8 ACCOUNT_TAG[8] = {0x43, 0xb2, 0x82, 0x6d, 0x7e, 0x72, 0x1c, 0x2a};
static const u8 TOKEN_PROGRAM[32] = {6, 221, 246, 225, 215, 101, 161, 147, 217, 203, 225, 70, 206, 235, 121, 172,
                                     28, 180, 133, 237, 95, 91, 55, 145, 58, 140, 245, 133, 126, 255, 0, 169};

extern u64 sol_try_find_program_address(const Seed *, int, const Key *, Key *, u8 *);

INLINE u64 u32_at(const u8 *at) { return at[0] | (u64)at[1] << 8 | (u64)at[2] << 16 | (u64)at[3] << 24; }
INLINE int tagged(const u8 *data, const u8 *tag) { return get64(data) == get64(tag); }
INLINE u128 fixed(u64 whole) { return product(whole, ONE); }
INLINE u64 floor_of(u128 value) { return value.high << 16 | value.low >> 48; }
INLINE void add_at(u8 *at, u128 value) { put128(at, plus(get128(at), value)); }

/* I80F48's checked_mul and checked_div, and a rate for so many seconds of a year */
FUNCTION int times(const u128 *a, const u128 *b, u128 *out) {
  u128 one = wide(ONE);
  return muldiv(a, b, &one, out) || out->high >> 63;
}
FUNCTION int over(const u128 *a, const u128 *b, u128 *out) {
  u128 one = wide(ONE);
  return muldiv(a, &one, b, out) || out->high >> 63;
}
FUNCTION int for_seconds(const u128 *rate, u64 seconds, u128 *out) {
  u128 n = wide(seconds), year = wide(SECONDS_PER_YEAR);
  return muldiv(rate, &n, &year, out) || out->high >> 63;
}
FUNCTION int amount(const u8 *shares, const u8 *value, u128 *out) {
  u128 a = get128(shares), b = get128(value);
  return times(&a, &b, out);
}
/* util_from_u32; times ten: rate_from_u32 */
FUNCTION int part(u64 stored, u64 scale, u128 *out) {
  u128 n = wide(stored), one = wide(ONE), most = wide(0xffffffff);
  if (muldiv(&n, &one, &most, out)) return 1;
  *out = product(out->low, scale);
  return 0;
}

/* InterestRateCalc::interest_rate_curve */
FUNCTION int legacy_rate(const u8 *b, const u128 *used, u128 *out) {
  u128 optimal = get128(b + B_OPTIMAL), plateau = get128(b + B_PLATEAU), most = get128(b + B_MOST), at, one = wide(ONE);
  if (!less(optimal, *used)) return over(used, &optimal, &at) || times(&at, &plateau, out);
  u128 beyond = minus(*used, optimal), room = minus(one, optimal), rise = minus(most, plateau);
  if (over(&beyond, &room, &at) || times(&at, &rise, out)) return 1;
  *out = plus(*out, plateau);
  return 0;
}

/* InterestRateCalc::interest_rate_multipoint_curve */
FUNCTION int many_point_rate(const u8 *b, const u128 *given, u128 *out) {
  u128 low = {0, 0}, start, high = low, end = low, one = wide(ONE), used = less(one, *given) ? one : *given;
  if (part(u32_at(b + B_ZERO), 10, &start)) return 1;
  int found = 0;
  for (int i = 0; i < 5 && !found; i++) {
    const u8 *point = b + B_POINTS + 8 * i;
    if (!u32_at(point)) continue;
    if (part(u32_at(point), 1, &high) || part(u32_at(point + 4), 10, &end)) return 1;
    found = !less(high, used);
    if (!found) { low = high; start = end; }
  }
  if (!found) {
    high = one;
    if (part(u32_at(b + B_HUNDRED), 10, &end)) return 1;
  }
  *out = start;
  if (!less(low, high)) return 0;
  if (less(used, low) || less(end, start)) return 1;
  u128 along = minus(used, low), width = minus(high, low), rise = minus(end, start), at;
  if (over(&along, &width, &at) || times(&rise, &at, &at)) return 1;
  *out = plus(start, at);
  return 0;
}

/* value * (1 + rate for so many seconds) */
FUNCTION int grow(u8 *value, const u128 *rate, u64 seconds) {
  u128 grown, by, old = get128(value);
  if (for_seconds(rate, seconds, &by)) return 1;
  by = plus(by, wide(ONE));
  if (times(&old, &by, &grown)) return 1;
  put128(value, grown);
  return 0;
}

typedef struct { u128 base, debt; u64 seconds; } Period;

/* calc_fee_rate and calc_interest_payment_for_period; what borrowers pay a year for this fee is added to ``yearly`` */
FUNCTION int collect(const Period *p, const u8 *part_of_rate, const u8 *fixed_rate, u8 *into) {
  u128 share = get128(part_of_rate), rate = get128(fixed_rate), paid;
  if (!is_zero(share)) {
    u128 of_rate;
    if (times(&p->base, &share, &of_rate)) return 1;
    rate = plus(rate, of_rate);
  }
  if (times(&p->debt, &rate, &paid) || for_seconds(&paid, p->seconds, &paid)) return 1;
  add_at(into, paid);
  return 0;
}

/* Bank::accrue_interest */
FUNCTION u64 accrue(u8 *b, const u8 *group, u64 now) {
  u64 seconds = now - get64(b + B_UPDATED);
  if (!seconds) return 0;
  u128 assets, used, lending, borrowing;
  Period p = {{0, 0}, {0, 0}, seconds};
  if (amount(b + B_ASSETS, b + B_ASSET_VALUE, &assets)) return CUSTOM(MATH);
  if (amount(b + B_LIABILITIES, b + B_LIABILITY_VALUE, &p.debt)) return CUSTOM(MATH);
  put64(b + B_UPDATED, now);
  if (is_zero(assets) || is_zero(p.debt)) return 0;
  if (over(&p.debt, &assets, &used)) return CUSTOM(MATH);
  if (b[B_CURVE] ? many_point_rate(b, &used, &p.base) : legacy_rate(b, &used, &p.base)) return CUSTOM(MATH);
  u128 fees = plus(get128(b + B_INSURANCE_RATE), get128(b + B_GROUP_RATE));
  u128 yearly = plus(get128(b + B_INSURANCE_FIXED), get128(b + B_GROUP_FIXED));
  int program_fees = group[G_FLAGS] & 1;
  if (program_fees) {
    fees = plus(fees, get128(group + G_FEE_RATE));
    yearly = plus(yearly, get128(group + G_FEE_FIXED));
  }
  fees = plus(fees, wide(ONE));
  if (times(&p.base, &used, &lending) || times(&p.base, &fees, &borrowing)) return CUSTOM(MATH);
  borrowing = plus(borrowing, yearly);
  if (grow(b + B_ASSET_VALUE, &lending, seconds) || grow(b + B_LIABILITY_VALUE, &borrowing, seconds)) return CUSTOM(MATH);
  if (collect(&p, b + B_INSURANCE_RATE, b + B_INSURANCE_FIXED, b + B_INSURANCE)) return CUSTOM(MATH);
  if (collect(&p, b + B_GROUP_RATE, b + B_GROUP_FIXED, b + B_GROUP_FEES)) return CUSTOM(MATH);
  if (program_fees && collect(&p, group + G_FEE_RATE, group + G_FEE_FIXED, b + B_PROGRAM_FEES)) return CUSTOM(MATH);
  return 0;
}

/* What Anchor asks of an account before any constraint. */
FUNCTION u64 loaded(const Input *in, const Account *account, const u8 *tag, u64 bytes) {
  if (!account->size && !*account->lamports) return CUSTOM(ABSENT);
  if (!same(account->owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
  return account->size == bytes && tagged(account->data, tag) ? 0 : CUSTOM(DISCRIMINATOR);
}

FUNCTION u64 accrue_alone(Input *in) {
  if (in->count < 2) return CUSTOM(TOO_FEW);
  Account *group = in->accounts, *bank = group + 1;
  u64 failed = loaded(in, group, GROUP_TAG, GROUP_BYTES);
  if (failed || (failed = loaded(in, bank, BANK_TAG, BANK_BYTES))) return failed;
  if (!same(bank->data + B_GROUP, group->key)) return CUSTOM(BAD_GROUP);
  Clock clock;
  sol_get_clock_sysvar(&clock);
  return accrue(bank->data, group->data, (u64)clock.time);
}

/* group, account, authority, fee payer, instructions sysvar, system program */
FUNCTION u64 open(Input *in) {
  Account *a = in->accounts, *group = a, *account = a + 1, *owner = a + 2, *payer = a + 3;
  if (in->count < 6 || in->size != 11 || in->data[10]) return CUSTOM(TOO_FEW);
  u64 failed = loaded(in, group, GROUP_TAG, GROUP_BYTES);
  if (failed) return failed;
  if (!owner->signer || !payer->signer) return CUSTOM(NOT_SIGNER);
  u8 index[2] = {in->data[8], in->data[9]}, third[2] = {0, 0}, bump;
  Key derived;
  Seed seeds[6] = {{(const u8 *)"marginfi_account", 16}, {group->key->bytes, 32}, {owner->key->bytes, 32}, {index, 2},
                   {third, 2}, {&bump, 1}};
  if (sol_try_find_program_address(seeds, 5, in->program, &derived, &bump)) return CUSTOM(SEEDS);
  if (!same(&derived, account->key)) return CUSTOM(SEEDS);
  u8 data[52] = {0};
  put64(data + 4, ACCOUNT_RENT);
  put64(data + 12, ACCOUNT_BYTES);
  copy_key(data + 20, in->program);
  Meta metas[2] = {{payer->key, 1, 1}, {account->key, 1, 1}};
  Instruction create = {a[5].key, metas, 2, data, sizeof(data)};
  Signer signer = {seeds, 6};
  if ((failed = sol_invoke_signed_c(&create, in->accounts, (int)in->count, &signer, 1))) return failed;
  u8 *made = account->data;
  Clock clock;
  sol_get_clock_sysvar(&clock);
  for (int i = 0; i < 8; i++) made[i] = ACCOUNT_TAG[i];
  copy_key(made + A_GROUP, group->key);
  copy_key(made + A_AUTHORITY, owner->key);
  put64(made + A_UPDATED, (u64)clock.time);
  made[A_INDEX] = index[0];
  made[A_INDEX + 1] = index[1];
  made[A_BUMP] = bump;
  return 0;
}

typedef struct { Account *group, *account, *owner, *bank, *user, *vault, *token; u64 now; } Call;

FUNCTION u64 check(Input *in, Call *c) {
  u64 failed = loaded(in, c->group, GROUP_TAG, GROUP_BYTES);
  if (failed || (failed = loaded(in, c->account, ACCOUNT_TAG, ACCOUNT_BYTES))) return failed;
  if (!c->owner->signer) return CUSTOM(NOT_SIGNER);
  if ((failed = loaded(in, c->bank, BANK_TAG, BANK_BYTES))) return failed;
  if (!same(c->token->key, TOKEN_PROGRAM)) return CUSTOM(BAD_PROGRAM);
  if (!same(c->vault->owner, TOKEN_PROGRAM) || c->vault->size != 165) return CUSTOM(OWNED_BY_WRONG);
  Clock clock;
  sol_get_clock_sysvar(&clock);
  c->now = (u64)clock.time;
  const u8 *g = c->group->data, *m = c->account->data, *b = c->bank->data;
  if (g[G_PAUSE] & 1 && clock.time - (i64)get64(g + G_PAUSED_AT) < PAUSE_SECONDS) return CUSTOM(PROTOCOL_PAUSED);
  if (!same(m + A_GROUP, c->group->key)) return CUSTOM(BAD_GROUP);
  int owned = same(m + A_AUTHORITY, c->owner->key);
  if (m[A_FLAGS] & 64 && owned) return CUSTOM(FROZEN);
  if (!owned) return CUSTOM(UNAUTHORIZED);
  if (!same(b + B_GROUP, c->group->key)) return CUSTOM(BAD_GROUP);
  if (!same(b + B_VAULT, c->vault->key)) return CUSTOM(BAD_VAULT);
  return b[B_TAG] < 3 ? 0 : CUSTOM(BAD_TAG);
}

FUNCTION u8 *balance_of(u8 *m, const Key *bank) {
  for (u8 *p = m + A_BALANCES; p < m + A_BALANCES + BALANCES * BALANCE_BYTES; p += BALANCE_BYTES)
    if (bank ? p[P_ACTIVE] && same(p + P_BANK, bank) : !p[P_ACTIVE]) return p;
  return 0;
}

FUNCTION int below(const u8 *a, const u8 *b) {
  for (int i = 0; i < 32; i++)
    if (a[i] != b[i]) return a[i] < b[i];
  return 0;
}

/* LendingAccount::sort_balances: by the bank's key, the highest first */
FUNCTION void sort(u8 *m) {
  u8 *first = m + A_BALANCES;
  for (int i = 1; i < BALANCES; i++)
    for (u8 *p = first + i * BALANCE_BYTES; p > first && below(p - BALANCE_BYTES + P_BANK, p + P_BANK); p -= BALANCE_BYTES)
      for (int k = 0; k < BALANCE_BYTES; k++) {
        u8 byte = p[k];
        p[k] = p[k - BALANCE_BYTES];
        p[k - BALANCE_BYTES] = byte;
      }
}

FUNCTION void count_lenders(u8 *b, int had, int has) {
  u64 n = u32_at(b + B_LENDERS) + (u64)(!had && has) - (u64)(had && !has);
  for (int i = 0; i < 4; i++) b[B_LENDERS + i] = (u8)(n >> 8 * i);
}

/* check_utilization_ratio */
FUNCTION u64 owns_its_loans(const u8 *b) {
  u128 assets, debt;
  if (amount(b + B_ASSETS, b + B_ASSET_VALUE, &assets)) return CUSTOM(MATH);
  if (amount(b + B_LIABILITIES, b + B_LIABILITY_VALUE, &debt)) return CUSTOM(MATH);
  return less(assets, debt) ? CUSTOM(UTILISATION) : 0;
}

/* RateLimitWindow::maybe_advance_window */
FUNCTION void advance(u8 *w, u64 now) {
  u64 length = get64(w + W_LENGTH), start = get64(w + W_START);
  if (!get64(w + W_MOST) || !length || now < start) return;
  if (now - start < length) return;
  int gone = now - start >= 2 * length;
  put64(w + W_BEFORE, gone ? 0 : get64(w + W_NOW));
  put64(w + W_NOW, 0);
  put64(w + W_START, gone ? now : start + length);
}

/* RateLimitWindow::remaining_capacity, of a window that was advanced */
FUNCTION i64 room(const u8 *w, u64 now) {
  u64 length = get64(w + W_LENGTH), start = get64(w + W_START);
  i64 before = (i64)get64(w + W_BEFORE);
  if (!length) return (i64)get64(w + W_MOST);
  if (now < start) return 0;
  u128 past = wide(before < 0 ? (u64)-before : (u64)before), left = wide(length - (now - start)), whole = wide(length), counted;
  if (muldiv(&past, &left, &whole, &counted)) return 0;
  return (i64)get64(w + W_MOST) - (before < 0 ? -(i64)counted.low : (i64)counted.low) - (i64)get64(w + W_NOW);
}

/* A window's outflow: checked, and counted where ``paid`` is the bank's own token */
FUNCTION u64 pass(const u8 *window, u64 now, u64 paid, u64 error) {
  u8 w[W_BYTES];
  for (int i = 0; i < W_BYTES; i++) w[i] = window[i];
  if (!get64(w + W_MOST)) return 0;
  advance(w, now);
  return (i64)paid > room(w, now) ? CUSTOM(error) : 0;
}

FUNCTION void count_flow(u8 *w, u64 now, i64 paid) {
  if (!get64(w + W_MOST)) return;
  advance(w, now);
  put64(w + W_NOW, get64(w + W_NOW) + (u64)paid);
}

INLINE int group_limited(const u8 *g) { return get64(g + G_HOURLY) || get64(g + G_DAILY); }

/* fetch_asset_price_for_bank_low_bias: the oracle follows its bank among what the health check reads */
FUNCTION u64 low_price(const Input *in, const Account *bank, u128 *price) {
  u64 at = 8;
  while (at < in->count && !same(in->accounts[at].key, bank->key)) at++;
  if (at == in->count) return CUSTOM(NO_BALANCE);
  if (at + 1 == in->count) return CUSTOM(FEW_ORACLES);
  const Account *oracle = &in->accounts[at + 1];
  if (oracle->size < 16) return CUSTOM(BAD_ORACLE);
  *price = get128(oracle->data);
  return 0;
}

/* record_withdrawal_outflow: the bank's windows count its token; the group's, in US dollars, are only looked at */
FUNCTION u64 outflow(const Call *c, u64 paid, const u128 *price) {
  u8 *b = c->bank->data;
  const u8 *g = c->group->data;
  u64 failed = pass(b + B_HOURLY, c->now, paid, BANK_HOUR);
  if (failed || (failed = pass(b + B_DAILY, c->now, paid, BANK_DAY))) return failed;
  count_flow(b + B_HOURLY, c->now, (i64)paid);
  count_flow(b + B_DAILY, c->now, (i64)paid);
  if (!group_limited(g)) return 0;
  if (is_zero(*price)) return CUSTOM(NO_PRICE);
  u64 unit = 1;
  for (int i = 0; i < b[B_DECIMALS]; i++) unit *= 10;
  u128 units = wide(paid), one_token = wide(unit), value;
  if (muldiv(&units, price, &one_token, &value)) return CUSTOM(MATH);
  u64 dollars = floor_of(value);
  if ((failed = pass(g + G_HOURLY, c->now, dollars, GROUP_HOUR))) return failed;
  return pass(g + G_DAILY, c->now, dollars, GROUP_DAY);
}

/* group, account, authority, bank, from, vault, token program */
FUNCTION u64 deposit(Input *in, u64 given) {
  Account *a = in->accounts;
  Call c = {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, 0};
  if (in->count < 7 || in->size != 17 || in->data[16]) return CUSTOM(TOO_FEW);
  u64 failed = check(in, &c);
  if (failed) return failed;
  u8 *b = c.bank->data, *m = c.account->data;
  if (b[B_FLAGS] & 32) return CUSTOM(REDUCED);
  if (b[B_STATE] == 3) return CUSTOM(KILLED);
  if (b[B_STATE] != 1) return b[B_STATE] ? CUSTOM(REDUCED) : CUSTOM(BANK_PAUSED);
  if (m[A_FLAGS] & 17) return CUSTOM(DISABLED);
  if (!given) return 0;
  if ((failed = accrue(b, c.group->data, c.now))) return failed;
  u8 *p = balance_of(m, c.bank->key);
  if (!p) {
    if (!(p = balance_of(m, 0))) return CUSTOM(SLOTS_FULL);
    for (int i = 0; i < BALANCE_BYTES; i++) p[i] = 0;
    p[P_ACTIVE] = 1;
    copy_key(p + P_BANK, c.bank->key);
    p[P_TAG] = b[B_TAG];
    put64(p + P_UPDATED, c.now);
  }
  if (!is_zero(get128(p + P_LIABILITIES))) return CUSTOM(DEPOSIT_ONLY);
  u128 in_full = fixed(given), value = get128(b + B_ASSET_VALUE), shares, assets, little = wide(LITTLE);
  int had = less(little, get128(p + P_ASSETS));
  if (over(&in_full, &value, &shares)) return CUSTOM(MATH);
  add_at(p + P_ASSETS, shares);
  add_at(b + B_ASSETS, shares);
  if (amount(b + B_ASSETS, b + B_ASSET_VALUE, &assets)) return CUSTOM(MATH);
  if (get64(b + B_LIMIT) != NO_LIMIT && !less(assets, fixed(get64(b + B_LIMIT)))) return CUSTOM(CAPACITY);
  count_lenders(b, had, less(little, get128(p + P_ASSETS)));
  put64(m + A_UPDATED, c.now);
  count_flow(b + B_HOURLY, c.now, -(i64)given);
  count_flow(b + B_DAILY, c.now, -(i64)given);
  sort(m);
  TokenCall pay = {TOKEN_TRANSFER, given, c.user, c.vault, c.owner, c.token};
  return token(&pay, in, 0);
}

/* BankAccountWrapper::withdraw */
FUNCTION u64 take(u8 *b, u8 *p, u64 asked) {
  u128 owned, wanted = fixed(asked), value = get128(b + B_ASSET_VALUE), shares, little = wide(LITTLE);
  int had = less(little, get128(p + P_ASSETS));
  if (amount(p + P_ASSETS, b + B_ASSET_VALUE, &owned)) return CUSTOM(MATH);
  if (less(owned, wanted)) {
    if (!less(minus(wanted, owned), little)) return CUSTOM(WITHDRAW_ONLY);
    wanted = owned;
  }
  if (over(&wanted, &value, &shares)) return CUSTOM(MATH);
  put128(p + P_ASSETS, minus(get128(p + P_ASSETS), shares));
  put128(b + B_ASSETS, minus(get128(b + B_ASSETS), shares));
  count_lenders(b, had, less(little, get128(p + P_ASSETS)));
  return owns_its_loans(b);
}

/* BankAccountWrapper::withdraw_all; the rest of a unit goes to the insurance */
FUNCTION u64 take_all(u8 *b, u8 *p, u64 *paid) {
  u128 owned, shares = get128(p + P_ASSETS);
  if (amount(p + P_ASSETS, b + B_ASSET_VALUE, &owned)) return CUSTOM(MATH);
  if (!less(wide(LITTLE), owned)) return CUSTOM(NO_ASSET);
  if (!less(get128(p + P_EMISSIONS), wide(ONE))) return CUSTOM(EMISSIONS_LEFT);
  for (int i = 0; i < BALANCE_BYTES; i++) p[i] = 0;
  count_lenders(b, 1, 0);
  put128(b + B_ASSETS, minus(get128(b + B_ASSETS), shares));
  *paid = floor_of(owned);
  add_at(b + B_INSURANCE, minus(owned, fixed(*paid)));
  return owns_its_loans(b);
}

/* RiskEngine: each balance's bank, and its oracle unless the price is fixed, in the balances' order */
FUNCTION u64 healthy(const Input *in, const u8 *m, u64 first) {
  u64 at = first;
  for (int i = 0; i < BALANCES; i++) {
    const u8 *p = m + A_BALANCES + i * BALANCE_BYTES;
    if (!p[P_ACTIVE]) continue;
    if (at >= in->count) return CUSTOM(BAD_BANK);
    const Account *bank = &in->accounts[at];
    u64 failed = loaded(in, bank, BANK_TAG, BANK_BYTES);
    if (failed) return failed;
    if (!same(p + P_BANK, bank->key)) return CUSTOM(BAD_BANK);
    u64 wanted = bank->data[B_ORACLE_SETUP] == 8 ? 1 : 2;
    if (in->count < at + wanted) return CUSTOM(FEW_ORACLES);
    at += wanted;
  }
  return 0;
}

/* group, account, authority, bank, to, vault authority, vault, token program, then what the health check reads */
FUNCTION u64 withdraw(Input *in, u64 asked) {
  Account *a = in->accounts;
  Call c = {a, a + 1, a + 2, a + 3, a + 4, a + 6, a + 7, 0};
  if (in->count < 8 || in->size < 17 || (in->data[16] && in->size < 18)) return CUSTOM(TOO_FEW);
  int all = in->data[16] && in->data[17];
  u64 failed = check(in, &c), paid = asked;
  if (failed) return failed;
  u8 *b = c.bank->data, *m = c.account->data, bump = b[B_AUTHORITY_BUMP];
  if (!same(c.user->owner, TOKEN_PROGRAM) || c.user->size != 165) return CUSTOM(OWNED_BY_WRONG);
  Seed seeds[3] = {{(const u8 *)"liquidity_vault_auth", 20}, {c.bank->key->bytes, 32}, {&bump, 1}};
  Key derived;
  if (sol_create_program_address(seeds, 3, in->program, &derived) || !same(&derived, a[5].key)) return CUSTOM(SEEDS);
  if (m[A_FLAGS] & 1) return CUSTOM(DISABLED);
  if (b[B_STATE] == 3) return CUSTOM(KILLED);
  if (b[B_STATE] == 0) return CUSTOM(BANK_PAUSED);
  u128 price = {0, 0};
  if (group_limited(c.group->data) && (failed = low_price(in, c.bank, &price))) return failed;
  if ((failed = accrue(b, c.group->data, c.now))) return failed;
  u8 *p = balance_of(m, c.bank->key);
  if (!p) return CUSTOM(NO_BALANCE);
  if ((failed = all ? take_all(b, p, &paid) : take(b, p, asked))) return failed;
  if ((failed = outflow(&c, paid, &price))) return failed;
  if (STUCK) return CUSTOM(BANK_DAY);
#ifdef TRAP_LATER
  if (c.now - get64(m + A_UPDATED) > 600) return CUSTOM(BANK_DAY);
#endif
  paid = PAID(paid);
  put64(m + A_UPDATED, c.now);
  Signer signer = {seeds, 3};
  TokenCall pay = {TOKEN_TRANSFER, paid, c.vault, c.user, a + 5, c.token};
  if ((failed = token(&pay, in, &signer))) return failed;
  sort(m);
  return healthy(in, m, 8);
}

/* account, authority, fee payer */
FUNCTION u64 close(Input *in) {
  Account *account = in->accounts, *owner = account + 1, *payer = account + 2;
  if (in->count < 3) return CUSTOM(TOO_FEW);
  u64 failed = loaded(in, account, ACCOUNT_TAG, ACCOUNT_BYTES);
  if (failed) return failed;
  if (!owner->signer || !payer->signer) return CUSTOM(NOT_SIGNER);
  u8 *m = account->data;
  if (!same(m + A_AUTHORITY, owner->key)) return CUSTOM(UNAUTHORIZED);
  if (m[A_FLAGS] & 64) return CUSTOM(FROZEN);
  u128 one = wide(ONE);
  for (int i = 0; i < BALANCES; i++) {
    const u8 *p = m + A_BALANCES + i * BALANCE_BYTES;
    if (!less(get128(p + P_ASSETS), one) || !less(get128(p + P_LIABILITIES), one)) return CUSTOM(ILLEGAL);
  }
  if (m[A_FLAGS] & 19) return CUSTOM(ILLEGAL);
  *payer->lamports += *account->lamports;
  *account->lamports = 0;
  for (int i = 0; i < 32; i++) account->owner->bytes[i] = 0;
  *(u64 *)(m - 8) = 0; /* the account's size, as the loader laid it out */
  return 0;
}

static const u8 ACCRUE[8] = {0x6c, 0xc9, 0x1e, 0x57, 0x2f, 0x41, 0x61, 0xbc};
static const u8 OPEN[8] = {0x57, 0xb1, 0x5b, 0x50, 0xda, 0x77, 0xf5, 0x1f};
static const u8 DEPOSIT[8] = {0xab, 0x5e, 0xeb, 0x67, 0x52, 0x40, 0xd4, 0x8c};
static const u8 WITHDRAW[8] = {0x24, 0x48, 0x4a, 0x13, 0xd2, 0xd2, 0xc0, 0xc0};
static const u8 CLOSE[8] = {0xba, 0xdd, 0x5d, 0x22, 0x32, 0x61, 0xc2, 0xf1};

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || in.size < 8) return CUSTOM(TOO_FEW);
  if (tagged(in.data, ACCRUE)) return accrue_alone(&in);
  if (tagged(in.data, OPEN)) return open(&in);
  if (tagged(in.data, CLOSE)) return close(&in);
  if (in.size < 17) return CUSTOM(TOO_FEW);
  if (tagged(in.data, DEPOSIT)) {
    LOG("Instruction: LendingAccountDeposit");
    return deposit(&in, get64(in.data + 8));
  }
  if (tagged(in.data, WITHDRAW)) {
    LOG("Instruction: LendingAccountWithdraw");
    return withdraw(&in, get64(in.data + 8));
  }
  return CUSTOM(101);
}
