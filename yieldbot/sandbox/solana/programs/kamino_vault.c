/* A double of Kamino's vault program (kvault), for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's discriminators, account orders, layouts (VaultState of 62552 bytes, GlobalConfig of 1032),
 * U68F60 rounding, fees, rewards, withdrawal fee and error numbers for deposit and withdraw, and calls the lending program
 * as it does. Left out: events, invest, withdraw_from_available, redeem_in_kind, Token-2022, all of administration. Source:
 * Kamino-Finance/kvault 2.1.1, operations/vault_operations.rs, handlers/handler_deposit.rs and handler_withdraw.rs. */
#define MOST_ACCOUNTS 36
#include "svm.h"

enum { HAS_ONE = 2001, SEEDS = 2006, TOKEN_MINT = 2014, TOKEN_OWNER = 2015, DISCRIMINATOR = 3002, TOO_FEW = 3005,
       OWNED_BY_WRONG = 3007, NOT_SIGNER = 3010, ZERO = 7000, MATH = 7002, BELOW_LEAST = 7004, NO_ALLOCATION = 7007,
       NO_RESERVE = 7009, OTHER_RESERVE = 7010, TOO_LITTLE = 7024, DEPOSIT_SMALL = 7026, BELOW_FEES = 7037, ZERO_SHARES = 7038,
       BURNS_NOTHING = 7039, NO_SHARES = 7040, AUM_ZERO = 7042, BELOW_PENALTY = 7049, PAYS_NOTHING = 7050 };
enum { V_AUTHORITY = 40, V_BUMP = 72, V_MINT = 80, V_VAULT = 120, V_PROGRAM = 152, V_SHARES = 184, V_AVAILABLE = 224,
       V_ISSUED = 232, V_CRANK = 240, V_PERFORMANCE = 256, V_MANAGEMENT = 264, V_CHARGED = 272, V_PREV = 280, V_PENDING = 296,
       V_ALLOCATIONS = 312, V_LEAST_DEPOSIT = 58408, V_LEAST = 58416, V_CRANK_FEE = 58440, V_PENALTY = 58680,
       V_PENALTY_BPS = 58688, V_REWARDS_RATE = 58744, V_REWARDS_SINCE = 58752, V_REWARDS = 58760, VAULT_BYTES = 62552 };
enum { A_BYTES = 2160, A_VAULT = 32, A_WEIGHT = 64, A_CAP = 72, A_TOKENS = 1104, MOST_RESERVES = 25 };
enum { G_PENALTY = 72, G_PENALTY_BPS = 80 };
enum { R_AVAILABLE = 224, R_BORROWED = 232, R_FEES = 344, R_REFERRER = 360, R_PENDING = 376, R_COLLATERAL = 2592, RESERVE_BYTES = 8624 };

#define ONE (1ULL << 60)
#define BPS 10000ULL
#define FEE_YEAR 31556926ULL

static const u8 VAULT_TAG[8] = {0xe4, 0xc4, 0x52, 0xa5, 0x62, 0xd2, 0xeb, 0x98};
static const u8 CONFIG_TAG[8] = {0x95, 0x08, 0x9c, 0xca, 0xa0, 0xfc, 0xb0, 0xd9};

INLINE int tagged(const u8 *data, const u8 *tag) { return get64(data) == get64(tag); }
INLINE u128 fraction(u64 n) { return product(n, ONE); }
INLINE u64 whole(u128 x) { return x.high << 4 | x.low >> 60; }
INLINE u64 whole_up(u128 x) { return whole(plus(x, wide(ONE - 1))); }
INLINE u128 smaller(u128 a, u128 b) { return less(a, b) ? a : b; }
INLINE u64 least(u64 a, u64 b) { return a < b ? a : b; }
/* a * n / d of a fraction and whole numbers, rounded down; a * b / d, rounded up */
FUNCTION int ratio(const u128 *a, u64 n, u64 d, u128 *out) { u128 x = wide(n), y = wide(d); return muldiv(a, &x, &y, out); }
FUNCTION int muldiv_up(const u128 *a, const u128 *b, const u128 *d, u128 *out) {
  u128 rest;
  if (muldivrem(a, b, d, out, &rest)) return 1;
  if (!is_zero(rest)) *out = plus(*out, wide(1));
  return 0;
}

typedef struct { u64 available; u128 invested, aum, fees; u64 reserves; } Holdings;
typedef struct {
  Account *owner, *vault, *cash, *mint, *authority, *share_mint, *money, *shares, *token, *klend, *more;
} Call;

INLINE u8 *allocation(u8 *v, u64 i) { return v + V_ALLOCATIONS + i * A_BYTES; }
INLINE int used(const u8 *a) { for (int i = 0; i < 32; i++) if (a[i]) return 1; return 0; }

/* ReserveLiquidity::total_supply */
INLINE u128 total_supply(const u8 *r) {
  u128 sum = plus(fraction(get64(r + R_AVAILABLE)), get128(r + R_BORROWED));
  return minus(sum, plus(plus(get128(r + R_FEES), get128(r + R_REFERRER)), get128(r + R_PENDING)));
}

/* fraction_collateral_to_liquidity */
FUNCTION int worth(const u8 *r, u64 tokens, u128 *out) {
  u128 supply = total_supply(r), owned = wide(get64(r + R_COLLATERAL)), part = wide(tokens);
  *out = fraction(tokens);
  return is_zero(owned) || is_zero(supply) ? 0 : muldiv(&part, &supply, &owned, out);
}

FUNCTION u64 refresh_reserves(Input *in, const Call *c, u64 count) {
  Meta metas[2 * MOST_RESERVES];
  u8 data[9] = {0x90, 0x6e, 0x1a, 0x67, 0xa2, 0xcc, 0xfc, 0x93, 1};
  for (u64 i = 0; i < count; i++) {
    Meta reserve = {c->more[i].key, 1, 0}, market = {(Key *)(c->more[i].data + 32), 0, 0};
    metas[2 * i] = reserve;
    metas[2 * i + 1] = market;
  }
  Instruction call = {c->klend->key, metas, 2 * count, data, sizeof(data)};
  return count ? sol_invoke_signed_c(&call, in->accounts, (int)in->count, 0, 0) : 0;
}

FUNCTION void refresh_rewards(u8 *v, u64 now) {
  u64 rate = get64(v + V_REWARDS_RATE), left = get64(v + V_REWARDS), since = get64(v + V_REWARDS_SINCE);
  if (!rate || !left) return;
  if (since && now > since) {
    u128 due = product(rate, now - since);
    u64 paid = due.high || due.low > left ? left : due.low;
    put64(v + V_AVAILABLE, get64(v + V_AVAILABLE) + paid);
    put64(v + V_REWARDS, left - paid);
  }
  put64(v + V_REWARDS_SINCE, now);
}

/* charge_fees: ``h`` gets what shareholders own after it */
FUNCTION u64 charge(u8 *v, Holdings *h, u64 now) {
  u128 sum = plus(fraction(h->available), h->invested), pending = get128(v + V_PENDING), prev = get128(v + V_PREV);
  u128 one = wide(ONE), fees = {0, 0}, rate, part;
  u64 since = get64(v + V_CHARGED);
  if (less(sum, pending)) return CUSTOM(BELOW_FEES);
  u128 aum = minus(sum, pending);
  if (since) {
    u128 yearly = fraction(get64(v + V_MANAGEMENT)), share = fraction(get64(v + V_PERFORMANCE));
    if (ratio(&yearly, 1, BPS, &yearly) || ratio(&yearly, now - since, FEE_YEAR, &rate)) return CUSTOM(MATH);
    if (muldiv(&prev, &rate, &one, &fees) || ratio(&share, 1, BPS, &share)) return CUSTOM(MATH);
    u128 earned = less(prev, aum) ? minus(aum, prev) : wide(0);
    if (muldiv(&share, &earned, &one, &part)) return CUSTOM(MATH);
    fees = smaller(plus(fees, part), aum);
    put128(v + V_PENDING, plus(pending, fees));
    put128(v + V_PREV, minus(aum, fees));
  }
  put64(v + V_CHARGED, now);
  h->aum = minus(aum, fees);
  return 0;
}

/* What the vault holds, after its reserves were refreshed, rewards were paid in and fees were charged. */
FUNCTION u64 holdings(Input *in, const Call *c, Holdings *h) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  u8 *v = c->vault->data;
  h->reserves = 0;
  h->invested = wide(0);
  for (u64 i = 0; i < MOST_RESERVES; i++) h->reserves += (u64)used(allocation(v, i));
  if ((u64)(c->more - in->accounts) + h->reserves > in->count) return CUSTOM(NO_RESERVE);
  u64 failed = refresh_reserves(in, c, h->reserves), at = 0;
  if (failed) return failed;
  refresh_rewards(v, (u64)clock.time);
  for (u64 i = 0; i < MOST_RESERVES; i++) {
    u8 *a = allocation(v, i);
    u128 part;
    if (!used(a)) continue;
    if (!same(c->more[at].key, a) || c->more[at].size != RESERVE_BYTES) return CUSTOM(OTHER_RESERVE);
    if (worth(c->more[at++].data, get64(a + A_TOKENS), &part)) return CUSTOM(MATH);
    h->invested = plus(h->invested, part);
  }
  h->available = get64(v + V_AVAILABLE);
  return charge(v, h, (u64)clock.time);
}

FUNCTION u64 check(const Input *in, const Call *c) {
  if (!c->owner->signer) return CUSTOM(NOT_SIGNER);
  if (!same(c->vault->owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
  const u8 *v = c->vault->data;
  if (c->vault->size != VAULT_BYTES || !tagged(v, VAULT_TAG)) return CUSTOM(DISCRIMINATOR);
  if (!same(v + V_AUTHORITY, c->authority->key) || !same(v + V_VAULT, c->cash->key)) return CUSTOM(HAS_ONE);
  if (!same(v + V_MINT, c->mint->key) || !same(v + V_SHARES, c->share_mint->key)) return CUSTOM(HAS_ONE);
  if (!same(v + V_PROGRAM, c->token->key)) return CUSTOM(HAS_ONE);
  if (c->money->size < 165 || !same(c->money->data, c->mint->key)) return CUSTOM(TOKEN_MINT);
  if (c->shares->size < 165 || !same(c->shares->data, c->share_mint->key)) return CUSTOM(TOKEN_MINT);
  if (!same(c->money->data + 32, c->owner->key) || !same(c->shares->data + 32, c->owner->key)) return CUSTOM(TOKEN_OWNER);
  return 0;
}

FUNCTION u64 signed_by_vault(Input *in, const Call *c, const TokenCall *call) {
  u8 bump = (u8)get64(c->vault->data + V_BUMP);
  Seed seeds[3] = {{(const u8 *)"authority", 9}, {c->vault->key->bytes, 32}, {&bump, 1}};
  Signer signer = {seeds, 3};
  return token(call, in, &signer);
}

/* owner, vault, cash, mint, authority, share mint, from, shares, klend, token programs, event authority, program, reserves */
FUNCTION u64 deposit(Input *in, u64 most) {
  Account *a = in->accounts;
  if (in->count < 13) return CUSTOM(TOO_FEW);
  Call c = {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 9, a + 8, a + 13};
  Holdings h;
  u64 failed = check(in, &c), crank = 0, minted, taken;
  if (failed) return failed;
  if (!most) return CUSTOM(ZERO);
  u8 *v = c.vault->data;
  if ((failed = holdings(in, &c, &h))) return failed;
  for (u64 i = 0; i < MOST_RESERVES; i++) {
    u8 *one = allocation(v, i);
    if (used(one) && get64(one + A_WEIGHT) && get64(one + A_CAP)) crank += get64(v + V_CRANK_FEE);
  }
  if (crank > most) return CUSTOM(MATH);
  u64 issued = get64(v + V_ISSUED);
  minted = taken = most - crank;
  if (issued) {
    u128 x = fraction(issued), by, priced, n, d = wide(issued);
    if (is_zero(h.aum)) return CUSTOM(AUM_ZERO);
    by = wide(whole_up(h.aum));
    n = wide(taken);
    if (muldiv(&x, &n, &by, &x)) return CUSTOM(MATH);
    minted = whole(x);
    n = wide(minted);
    if (muldiv_up(&h.aum, &n, &d, &priced)) return CUSTOM(MATH);
    taken = whole_up(priced);
  }
  if (taken < get64(v + V_LEAST_DEPOSIT)) return CUSTOM(DEPOSIT_SMALL);
  if (!minted) return CUSTOM(ZERO_SHARES);
  put64(v + V_AVAILABLE, h.available + taken);
  put64(v + V_ISSUED, issued + minted);
  put128(v + V_PREV, plus(h.aum, fraction(taken)));
  put64(v + V_CRANK, get64(v + V_CRANK) + crank);
  TokenCall pay = {TOKEN_TRANSFER, taken + crank, c.money, c.cash, c.owner, c.token};
  if ((failed = token(&pay, in, 0))) return failed;
  TokenCall mint = {TOKEN_MINT_TO, minted, c.share_mint, c.shares, c.authority, a + 10};
  return signed_by_vault(in, &c, &mint);
}

FUNCTION u64 redeem(Input *in, const Call *c, u64 tokens) {
  Account *a = in->accounts;
  u8 data[16] = {0xea, 0x75, 0xb5, 0x7d, 0xb9, 0x8e, 0xdc, 0x1d}, bump = (u8)get64(c->vault->data + V_BUMP);
  put64(data + 8, tokens);
  Meta metas[12] = {{c->authority->key, 0, 1}, {a[17].key, 0, 0}, {a[15].key, 1, 0}, {a[18].key, 0, 0}, {c->mint->key, 0, 0},
                    {a[20].key, 1, 0}, {a[19].key, 1, 0}, {a[16].key, 1, 0}, {c->cash->key, 1, 0}, {a[21].key, 0, 0},
                    {c->token->key, 0, 0}, {a[22].key, 0, 0}};
  Instruction call = {c->klend->key, metas, 12, data, sizeof(data)};
  Seed seeds[3] = {{(const u8 *)"authority", 9}, {c->vault->key->bytes, 32}, {&bump, 1}};
  Signer signer = {seeds, 3};
  return sol_invoke_signed_c(&call, in->accounts, (int)in->count, &signer, 1);
}

typedef struct { u64 out, fee, tokens, disinvested, lost; u128 invested; } Terms;

/* What the reserve gives towards ``due``. */
FUNCTION int from_reserve(const u8 *r, u64 owned, u64 due, Terms *t) {
  u128 has, out;
  if (worth(r, owned, &has)) return 1;
  t->invested = smaller(has, fraction(due - t->out));
  t->tokens = t->disinvested = t->lost = 0;
  if (is_zero(t->invested)) return 0;
  u128 wanted = fraction(whole(t->invested)), supply = total_supply(r), all = wide(get64(r + R_COLLATERAL)), rest = {0, 0};
  if (is_zero(all) || is_zero(supply)) {
    out = wide(whole(t->invested));
  } else if (muldivrem(&wanted, &all, &supply, &out, &rest) || out.high) {
    return 1;
  }
  t->tokens = least(owned, out.low + !is_zero(rest));
  if (worth(r, t->tokens, &has)) return 1;
  t->disinvested = whole(has);
  u64 part = has.low & (ONE - 1);
  t->lost = part && part > (t->invested.low & (ONE - 1));
  return 0;
}

FUNCTION int penalty(const u8 *v, const u8 *g, u64 amount, u64 *out) {
  u64 bps = get64(g + G_PENALTY_BPS), raw = get64(g + G_PENALTY);
  if (get64(v + V_PENALTY_BPS) > bps) bps = get64(v + V_PENALTY_BPS);
  if (get64(v + V_PENALTY) > raw) raw = get64(v + V_PENALTY);
  u128 of = fraction(amount);
  if (ratio(&of, bps, BPS, &of)) return 1;
  *out = whole_up(less(of, fraction(raw)) ? fraction(raw) : of);
  return 0;
}

/* owner, vault, config, cash, authority, to, mint, shares, share mint, token programs, klend, event authority, program, vault,
 * reserve, its collateral of the vault, market, authority, cash, collateral mint, token program, instructions, event, program */
FUNCTION u64 withdraw(Input *in, u64 asked) {
  Account *a = in->accounts;
  if (in->count < 25) return CUSTOM(TOO_FEW);
  Call c = {a, a + 1, a + 3, a + 6, a + 4, a + 8, a + 5, a + 7, a + 9, a + 11, a + 25};
  Holdings h;
  Terms t;
  u64 failed = check(in, &c);
  if (failed) return failed;
  u8 *v = c.vault->data, *mine = 0;
  if (!same(a[2].owner, in->program) || !tagged(a[2].data, CONFIG_TAG)) return CUSTOM(DISCRIMINATOR);
  if (!same(a[14].key, c.vault->key)) return CUSTOM(SEEDS);
  u64 shares = least(asked, get64(c.shares->data + 64)), before = get64(c.cash->data + 64);
  if (!shares) return CUSTOM(NO_SHARES);
  if ((failed = holdings(in, &c, &h))) return failed;
  if (is_zero(h.aum)) return CUSTOM(AUM_ZERO);
  for (u64 i = 0; i < MOST_RESERVES; i++)
    if (same(allocation(v, i), a[15].key)) mine = allocation(v, i);
  if (!mine) return CUSTOM(NO_ALLOCATION);
  if (!same(mine + A_VAULT, a[16].key)) return CUSTOM(HAS_ONE);
  u64 issued = get64(v + V_ISSUED);
  u128 value, burnt;
  if (ratio(&h.aum, shares, issued, &value)) return CUSTOM(MATH);
  u64 due = whole(value);
  if (!due) return CUSTOM(PAYS_NOTHING);
  if (penalty(v, a[2].data, due, &t.fee)) return CUSTOM(MATH);
  if (t.fee >= due) return CUSTOM(BELOW_PENALTY);
  due -= t.fee;
  t.out = least(h.available, due);
  if (from_reserve(a[15].data, get64(mine + A_TOKENS), due, &t)) return CUSTOM(MATH);
  u64 paid = whole(t.invested);
  u128 sent = plus(fraction(t.out + t.fee), t.invested), supply = fraction(issued);
  if (muldiv_up(&sent, &supply, &h.aum, &burnt)) return CUSTOM(MATH);
  u64 burns = least(whole_up(burnt), shares);
  if (!burns) return CUSTOM(BURNS_NOTHING);
  if (t.out + paid <= get64(v + V_LEAST)) return CUSTOM(BELOW_LEAST);
  if (paid < t.lost || t.disinvested < paid - t.lost) return CUSTOM(MATH);
  paid -= t.lost;
  put64(v + V_AVAILABLE, h.available - t.out + t.disinvested - paid);
  put64(v + V_ISSUED, issued - burns);
  put64(mine + A_TOKENS, get64(mine + A_TOKENS) - t.tokens);
  put128(v + V_PREV, minus(h.aum, plus(fraction(t.out), t.invested)));
  TokenCall burn = {TOKEN_BURN, burns, c.shares, c.share_mint, c.owner, a + 10};
  if ((failed = token(&burn, in, 0))) return failed;
  if (t.tokens && (failed = redeem(in, &c, t.tokens))) return failed;
  if (get64(c.cash->data + 64) - before < paid || STUCK) return CUSTOM(TOO_LITTLE);
  TokenCall pay = {TOKEN_TRANSFER, PAID(t.out + paid), c.cash, c.money, c.authority, c.token};
  return signed_by_vault(in, &c, &pay);
}

static const u8 DEPOSIT[8] = {0xf2, 0x23, 0xc6, 0x89, 0x52, 0xe1, 0xf2, 0xb6};
static const u8 WITHDRAW[8] = {0xb7, 0x12, 0x46, 0x9c, 0x94, 0x6d, 0xa1, 0x22};

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || in.size != 16) return CUSTOM(TOO_FEW);
  if (tagged(in.data, DEPOSIT)) {
    LOG("Instruction: Deposit");
    return deposit(&in, get64(in.data + 8));
  }
  if (tagged(in.data, WITHDRAW)) {
    LOG("Instruction: Withdraw");
    return withdraw(&in, get64(in.data + 8));
  }
  return CUSTOM(101);
}
