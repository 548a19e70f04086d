/* A double of the SPL stake pool program, for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's instruction tags, account orders, the StakePool and ValidatorList layouts (borsh), rounding,
 * fees and error numbers for DepositSolWithSlippage, WithdrawSolWithSlippage and UpdateStakePoolBalance; SOL leaves the
 * reserve through the real stake program. Left out: stake deposits and withdrawals, everything that moves stake between
 * validators, fees announced for a later epoch, a manager's fee account that is no token account (whose fees the real
 * program then does not take), the other instructions. Source: state.rs and processor.rs of the stake pool program. */
#include "svm.h"

enum { BAD_ADDRESS = 1, BAD_STATE = 2, MATH = 3, UNSIGNED = 7, BAD_LIST = 8, BAD_FEE_ACCOUNT = 9,
       BAD_MINT = 10, LIST_OLD = 16, POOL_OLD = 17, WITHDRAWAL_SMALL = 28, DEPOSIT_SMALL = 29, BAD_DEPOSIT_AUTHORITY = 31,
       BAD_WITHDRAW_AUTHORITY = 34, TOO_LARGE = 35, SLIPPED = 39 };
enum { P_BUMP = 97, P_LIST = 98, P_RESERVE = 130, P_MINT = 162, P_FEE_ACCOUNT = 194, P_TOKEN = 226, P_TOTAL = 258,
       P_SUPPLY = 266, P_EPOCH = 274, P_EPOCH_FEE = 330, P_AFTER = 346 };
enum { LIST_HEADER = 9, ENTRY_BYTES = 73 };

#define BUILTIN(number) ((u64)(number) << 32)
#define INCORRECT_PROGRAM BUILTIN(7)
#define FEW_KEYS BUILTIN(11)
#define UNKNOWN_INSTRUCTION BUILTIN(15) /* borsh's error */
#define RESERVE_RENT ((128ULL + 200) * 6960)

static const u8 SYSTEM[32] = {0};
static const u8 STAKE[32] = {6, 161, 216, 23, 145, 55, 84, 42, 152, 52, 55, 189, 254, 42, 122, 178,
                             85, 127, 83, 92, 138, 120, 114, 43, 104, 164, 157, 192, 0, 0, 0, 0};

/* Where the fields lie that have no fixed place. */
typedef struct { u8 *deposit_authority, *deposit_fee, *referral, *withdraw_authority, *withdrawal_fee, *last; } Places;

INLINE u64 u32_at(const u8 *at) { return at[0] | (u64)at[1] << 8 | (u64)at[2] << 16 | (u64)at[3] << 24; }
INLINE u8 *past(u8 *at, u64 size) { return at + 1 + (*at ? size : 0); }

FUNCTION void places(u8 *pool, Places *out) {
  u8 *at = past(pool + P_AFTER, 16); /* the next epoch fee */
  at = past(past(at, 32), 32) + 32;  /* preferred validators; fees on stake */
  at = past(at, 16) + 1;             /* their next one, and the referrers' share */
  out->deposit_authority = at;
  out->deposit_fee = past(at, 32);
  out->referral = out->deposit_fee + 16;
  out->withdraw_authority = out->referral + 1;
  out->withdrawal_fee = past(out->withdraw_authority, 32);
  out->last = past(out->withdrawal_fee + 16, 16);
}

/* Fee::apply, rounded up; ``fee``: the denominator, then the numerator */
FUNCTION int apply(const u8 *fee, u64 amount, u64 *out) {
  u64 denominator = get64(fee);
  *out = 0;
  if (!denominator) return 0;
  u128 sum = minus(plus(product(amount, get64(fee + 8)), wide(denominator)), wide(1)), one = wide(1), d = wide(denominator), q;
  if (muldiv(&sum, &one, &d, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

/* a * b / d, rounded down */
FUNCTION int share(u64 a, u64 b, u64 d, u64 *out) {
  u128 x = wide(a), y = wide(b), z = wide(d), q;
  if (muldiv(&x, &y, &z, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

typedef struct { Account *pool, *authority, *reserve, *mint, *fee, *token; } Call;

FUNCTION u64 check(const Input *in, const Call *c) {
  if (!same(c->pool->owner, in->program)) return INCORRECT_PROGRAM;
  u8 *p = c->pool->data, bump = p[P_BUMP];
  if (c->pool->size < P_AFTER || p[0] != 1) return CUSTOM(BAD_STATE);
  Seed seeds[3] = {{c->pool->key->bytes, 32}, {(const u8 *)"withdraw", 8}, {&bump, 1}};
  Key derived;
  if (sol_create_program_address(seeds, 3, in->program, &derived) || !same(&derived, c->authority->key)) return CUSTOM(BAD_ADDRESS);
  if (!same(p + P_MINT, c->mint->key)) return CUSTOM(BAD_MINT);
  if (!same(p + P_RESERVE, c->reserve->key)) return CUSTOM(BAD_ADDRESS);
  if (!same(p + P_TOKEN, c->token->key)) return INCORRECT_PROGRAM;
  return same(p + P_FEE_ACCOUNT, c->fee->key) ? 0 : CUSTOM(BAD_FEE_ACCOUNT);
}

/* The pool's own signature that deposits or withdrawals may need, in the account at ``place``. */
FUNCTION u64 permitted(const Input *in, const u8 *wanted, u64 place, u64 error) {
  if (!*wanted) return 0;
  if (in->count <= place) return FEW_KEYS;
  if (!same(wanted + 1, in->accounts[place].key)) return error;
  return in->accounts[place].signer ? 0 : CUSTOM(UNSIGNED);
}

INLINE u64 epoch_now(void) {
  Clock clock;
  sol_get_clock_sysvar(&clock);
  return clock.epoch;
}

FUNCTION u64 mint_to(Input *in, const Call *c, Account *to, u64 tokens) {
  if (!tokens) return 0;
  u8 bump = c->pool->data[P_BUMP];
  Seed seeds[3] = {{c->pool->key->bytes, 32}, {(const u8 *)"withdraw", 8}, {&bump, 1}};
  Signer signer = {seeds, 3};
  TokenCall call = {TOKEN_MINT_TO, tokens, c->mint, to, c->authority, c->token};
  return token(&call, in, &signer);
}

/* pool, authority, reserve, from, to, manager's fee, referrer's fee, mint, system program, token program, [authority] */
FUNCTION u64 deposit(Input *in, u64 lamports, u64 least) {
  Account *a = in->accounts;
  if (in->count < 10) return FEW_KEYS;
  Call c = {a, a + 1, a + 2, a + 7, a + 5, a + 9};
  u64 failed = check(in, &c), minted = lamports, fee, referred;
  if (failed) return failed;
  u8 *p = c.pool->data;
  Places at;
  places(p, &at);
  if ((failed = permitted(in, at.deposit_authority, 10, CUSTOM(BAD_DEPOSIT_AUTHORITY)))) return failed;
  if (!same(a[8].key, SYSTEM)) return INCORRECT_PROGRAM;
  if (get64(p + P_EPOCH) < epoch_now()) return CUSTOM(POOL_OLD);
  u64 total = get64(p + P_TOTAL), supply = get64(p + P_SUPPLY);
  if (total && supply && share(lamports, supply, total, &minted)) return CUSTOM(MATH);
  if (apply(at.deposit_fee, minted, &fee) || fee > minted) return CUSTOM(MATH);
  if (share(fee, *at.referral, 100, &referred) || referred > fee) return CUSTOM(MATH);
  if (minted == fee) return CUSTOM(DEPOSIT_SMALL);
  if (minted - fee < least) return CUSTOM(SLIPPED);
  u8 data[12] = {2};
  put64(data + 4, lamports);
  Meta metas[2] = {{a[3].key, 1, 1}, {c.reserve->key, 1, 0}};
  Instruction pay = {a[8].key, metas, 2, data, sizeof(data)};
  if ((failed = sol_invoke_signed_c(&pay, in->accounts, (int)in->count, 0, 0))) return failed;
  if ((failed = mint_to(in, &c, a + 4, minted - fee)) || (failed = mint_to(in, &c, a + 5, fee - referred))) return failed;
  if ((failed = mint_to(in, &c, a + 6, referred))) return failed;
  put64(p + P_SUPPLY, supply + minted);
  put64(p + P_TOTAL, total + lamports);
  return 0;
}

/* the stake program's Withdraw, signed for by the pool */
FUNCTION u64 leave(Input *in, const Call *c, u64 lamports) {
  Account *a = in->accounts;
  u8 data[12] = {4}, bump = c->pool->data[P_BUMP];
  put64(data + 4, lamports);
  Meta metas[5] = {{c->reserve->key, 1, 0}, {a[5].key, 1, 0}, {a[8].key, 0, 0}, {a[9].key, 0, 0}, {c->authority->key, 0, 1}};
  Instruction withdraw = {a[10].key, metas, 5, data, sizeof(data)};
  Seed seeds[3] = {{c->pool->key->bytes, 32}, {(const u8 *)"withdraw", 8}, {&bump, 1}};
  Signer signer = {seeds, 3};
  return sol_invoke_signed_c(&withdraw, in->accounts, (int)in->count, &signer, 1);
}

/* pool, authority, owner, tokens, reserve, to, manager's fee, mint, clock, stake history, stake and token programs, [authority] */
FUNCTION u64 withdraw(Input *in, u64 tokens, u64 least) {
  Account *a = in->accounts;
  if (in->count < 12) return FEW_KEYS;
  Call c = {a, a + 1, a + 4, a + 7, a + 6, a + 11};
  u64 failed = check(in, &c), fee = 0, paid = 0;
  if (failed) return failed;
  u8 *p = c.pool->data;
  Places at;
  places(p, &at);
  if ((failed = permitted(in, at.withdraw_authority, 12, CUSTOM(BAD_WITHDRAW_AUTHORITY)))) return failed;
  if (!same(a[10].key, STAKE)) return INCORRECT_PROGRAM;
  if (get64(p + P_EPOCH) < epoch_now()) return CUSTOM(POOL_OLD);
  if (!same(c.fee->key, a[3].key) && apply(at.withdrawal_fee, tokens, &fee)) return CUSTOM(MATH);
  if (fee > tokens) return CUSTOM(MATH);
  u64 burnt = tokens - fee, total = get64(p + P_TOTAL), supply = get64(p + P_SUPPLY);
  if (supply && share(burnt, total, supply, &paid)) return CUSTOM(MATH);
  if (!paid) return CUSTOM(WITHDRAWAL_SMALL);
  if (paid < least) return CUSTOM(SLIPPED);
  if (STUCK) return CUSTOM(TOO_LARGE);
  paid = PAID(paid);
  u64 left = *c.reserve->lamports > paid ? *c.reserve->lamports - paid : 0;
  if (left < RESERVE_RENT) return CUSTOM(TOO_LARGE);
  TokenCall burn = {TOKEN_BURN, burnt, a + 3, c.mint, a + 2, c.token};
  if ((failed = token(&burn, in, 0))) return failed;
  TokenCall keep = {TOKEN_TRANSFER, fee, a + 3, c.fee, a + 2, c.token};
  if (fee && (failed = token(&keep, in, 0))) return failed;
  if ((failed = leave(in, &c, paid))) return failed;
  put64(p + P_SUPPLY, supply - burnt);
  put64(p + P_TOTAL, total - paid);
  return 0;
}

/* calc_epoch_fee_amount */
FUNCTION int epoch_fee(const u8 *p, u64 reward, u64 *out) {
  u64 part, total = get64(p + P_TOTAL) + reward, supply = get64(p + P_SUPPLY);
  *out = 0;
  if (!reward) return 0;
  if (apply(p + P_EPOCH_FEE, reward, &part)) return 1;
  if (total == part || !supply) {
    *out = reward;
    return 0;
  }
  return share(supply, part, total - part, out);
}

/* pool, authority, validator list, reserve, manager's fee, mint, token program */
FUNCTION u64 update(Input *in) {
  Account *a = in->accounts;
  if (in->count < 7) return FEW_KEYS;
  Call c = {a, a + 1, a + 3, a + 5, a + 4, a + 6};
  u64 failed = check(in, &c), fee, epoch = epoch_now();
  if (failed) return failed;
  u8 *p = c.pool->data, *list = a[2].data;
  if (!same(p + P_LIST, a[2].key) || !same(a[2].owner, in->program) || list[0] != 2) return CUSTOM(BAD_LIST);
  u64 before = get64(p + P_TOTAL), supply = get64(p + P_SUPPLY), reserve = *c.reserve->lamports;
  u64 total = reserve > RESERVE_RENT ? reserve - RESERVE_RENT : 0;
  for (u64 i = 0; i < u32_at(list + 5); i++) {
    const u8 *entry = list + LIST_HEADER + i * ENTRY_BYTES;
    if (get64(entry + 16) < epoch) return CUSTOM(LIST_OLD);
    total += get64(entry) + get64(entry + 8);
  }
  if (epoch_fee(p, total > before ? total - before : 0, &fee)) return CUSTOM(MATH);
  if ((failed = mint_to(in, &c, a + 4, fee))) return failed;
  if (get64(p + P_EPOCH) < epoch) {
    Places at;
    places(p, &at);
    put64(p + P_EPOCH, epoch);
    put64(at.last, supply);
    put64(at.last + 8, before);
  }
  put64(p + P_TOTAL, total);
  put64(p + P_SUPPLY, get64(c.mint->data + 36));
  return 0;
}

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in) || !in.size) return BUILTIN(3);
  if (in.data[0] == 7) return update(&in);
#ifdef BEFORE_1 /* the program before 1.0 knows no instruction that names a least amount */
  return UNKNOWN_INSTRUCTION;
#endif
  if (in.size != 17) return UNKNOWN_INSTRUCTION;
  u64 given = get64(in.data + 1), least = get64(in.data + 9);
  if (in.data[0] == 25) {
    LOG("Instruction: DepositSolWithSlippage");
    return deposit(&in, given, least);
  }
  if (in.data[0] == 26) {
    LOG("Instruction: WithdrawSolWithSlippage");
    return withdraw(&in, given, least);
  }
  return UNKNOWN_INSTRUCTION;
}
