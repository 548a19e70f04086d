/* What a Solana program written in C needs: the input as the loader lays it out, syscalls, calls of SPL Token, and
 * arithmetic beyond 64 bits (eBPF has no library for it). Functions take at most five arguments; nothing is global.
 * Source of the layouts: solana-program's entrypoint (serialize_parameters_aligned) and the C ABI of sol/cpi.h. */
#ifndef SVM_H
#define SVM_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

typedef struct { u8 bytes[32]; } Key;

typedef struct {
  Key *key;
  u64 *lamports;
  u64 size;
  u8 *data;
  Key *owner;
  u64 rent_epoch;
  u8 signer, writable, executable;
} Account;

typedef struct { Key *key; u8 writable, signer; } Meta;
typedef struct { Key *program; Meta *accounts; u64 account_count; u8 *data; u64 size; } Instruction;
typedef struct { const u8 *at; u64 size; } Seed;
typedef struct { Seed *seeds; u64 count; } Signer;
typedef struct { u64 slot; i64 epoch_start; u64 epoch, leader_epoch; i64 time; } Clock;

extern void sol_log_(const char *, u64);
extern u64 sol_invoke_signed_c(const Instruction *, const Account *, int, const Signer *, int);
extern u64 sol_get_clock_sysvar(Clock *);
extern u64 sol_create_program_address(const Seed *, int, const Key *, Key *);

#define INLINE static inline __attribute__((always_inline))
#define FUNCTION static __attribute__((noinline))
#define LOG(text) sol_log_(text, sizeof(text) - 1)
#define CUSTOM(number) ((u64)(number))

/* A double can be compiled as a trap, which takes deposits as the others do: with TRAP_STUCK it pays nothing, with
 * TRAP_LESS three quarters; marginfi's with TRAP_LATER only within ten minutes of a deposit. */
#ifdef TRAP_LESS
#define PAID(amount) ((amount) - (amount) / 4)
#else
#define PAID(amount) (amount)
#endif
#ifdef TRAP_STUCK
#define STUCK 1
#else
#define STUCK 0
#endif

#ifndef MOST_ACCOUNTS
#define MOST_ACCOUNTS 20
#endif
#define ROOM_TO_GROW 10240

typedef struct {
  u64 count;
  Account accounts[MOST_ACCOUNTS];
  u8 *data;
  u64 size;
  Key *program;
} Input;

/* The input of an invocation; 1 when it names more accounts than are expected. */
INLINE int parse(u8 *at, Input *in) {
  in->count = *(u64 *)at;
  at += 8;
  if (in->count > MOST_ACCOUNTS) return 1;
  for (u64 i = 0; i < in->count; i++) {
    Account *account = &in->accounts[i];
    u8 twin = at[0];
    if (twin != 0xff) { /* the same account as an earlier one */
      *account = in->accounts[twin];
      at += 8;
      continue;
    }
    account->signer = at[1];
    account->writable = at[2];
    account->executable = at[3];
    account->key = (Key *)(at + 8);
    account->owner = (Key *)(at + 40);
    account->lamports = (u64 *)(at + 72);
    account->size = *(u64 *)(at + 80);
    account->data = at + 88;
    at = (u8 *)(((u64)(at + 88 + account->size + ROOM_TO_GROW) + 7) & ~7ULL);
    account->rent_epoch = *(u64 *)at;
    at += 8;
  }
  in->size = *(u64 *)at;
  in->data = at + 8;
  in->program = (Key *)(at + 8 + in->size);
  return 0;
}

INLINE int same(const void *one, const void *other) {
  const u8 *a = one, *b = other;
  for (int i = 0; i < 32; i++)
    if (a[i] != b[i]) return 0;
  return 1;
}

INLINE void copy_key(void *to, const void *from) {
  u8 *a = to;
  const u8 *b = from;
  for (int i = 0; i < 32; i++) a[i] = b[i];
}

/* Little-endian integers at any address. */
INLINE u64 get64(const u8 *at) {
  u64 value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

INLINE void put64(u8 *at, u64 value) {
  for (int i = 0; i < 8; i++) {
    at[i] = (u8)value;
    value >>= 8;
  }
}

/* Unsigned integers of 128 bits. */
typedef struct { u64 low, high; } u128;

INLINE u128 wide(u64 value) { u128 r = {value, 0}; return r; }
INLINE u128 get128(const u8 *at) { u128 r = {get64(at), get64(at + 8)}; return r; }
INLINE void put128(u8 *at, u128 value) { put64(at, value.low); put64(at + 8, value.high); }
INLINE int less(u128 a, u128 b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }
INLINE int is_zero(u128 a) { return !(a.low | a.high); }
INLINE u128 plus(u128 a, u128 b) { u128 r = {a.low + b.low, a.high + b.high + (a.low + b.low < a.low)}; return r; }
INLINE u128 minus(u128 a, u128 b) { u128 r = {a.low - b.low, a.high - b.high - (a.low < b.low)}; return r; }

/* The 128 bits of a product of two 64-bit numbers. */
INLINE u128 product(u64 a, u64 b) {
  u64 al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  u64 low = al * bl, middle = ah * bl + (low >> 32), other = al * bh + (middle & 0xffffffff);
  u128 r = {(other << 32) | (low & 0xffffffff), ah * bh + (middle >> 32) + (other >> 32)};
  return r;
}

/* floor(a * b / d) and what remains, by 256 bits in between; 1 when it does not fit or d is 0. */
FUNCTION int muldivrem(const u128 *a, const u128 *b, const u128 *d, u128 *out, u128 *over) {
  if (is_zero(*d)) return 1;
  u64 w[4];
  u128 ll = product(a->low, b->low), lh = product(a->low, b->high);
  u128 hl = product(a->high, b->low), hh = product(a->high, b->high);
  u128 middle = plus(plus(wide(ll.high), wide(lh.low)), wide(hl.low));
  u128 top = plus(plus(hh, wide(lh.high)), plus(wide(hl.high), wide(middle.high)));
  w[0] = ll.low;
  w[1] = middle.low;
  w[2] = top.low;
  w[3] = top.high;
  u128 rest = {0, 0}, quotient = {0, 0};
  int begun = 0;
  for (int word = 3; word >= 0; word--) {
    u64 bits = w[word];
    if (!begun && !bits) continue;
    begun = 1;
    for (int bit = 63; bit >= 0; bit--) {
      u64 carry = rest.high >> 63;
      rest.high = rest.high << 1 | rest.low >> 63;
      rest.low = rest.low << 1 | ((bits >> bit) & 1);
      u64 one = carry || !less(rest, *d);
      if (one) rest = minus(rest, *d);
      if (quotient.high >> 63) return 1;
      quotient.high = quotient.high << 1 | quotient.low >> 63;
      quotient.low = quotient.low << 1 | one;
    }
  }
  *out = quotient;
  *over = rest;
  return 0;
}

INLINE int muldiv(const u128 *a, const u128 *b, const u128 *d, u128 *out) { u128 rest; return muldivrem(a, b, d, out, &rest); }

/* SPL Token: an instruction of three accounts (the last one signs) and an amount. */
#define TOKEN_TRANSFER 3
#define TOKEN_MINT_TO 7
#define TOKEN_BURN 8

typedef struct {
  u8 tag;
  u64 amount;
  Account *one, *other, *authority, *program;
} TokenCall;

/* ``signer``: seeds of the authority when it is an address derived from this program, 0 when it signed itself. */
FUNCTION u64 token(const TokenCall *call, const Input *in, const Signer *signer) {
  u8 data[9];
  data[0] = call->tag;
  put64(data + 1, call->amount);
  Meta metas[3] = {{call->one->key, 1, 0}, {call->other->key, 1, 0}, {call->authority->key, 0, 1}};
  Instruction instruction = {call->program->key, metas, 3, data, sizeof(data)};
  return sol_invoke_signed_c(&instruction, in->accounts, (int)in->count, signer, signer ? 1 : 0);
}

#endif
