/* A double of Orca's Whirlpool program, for the sandbox and the tests: it is NOT the real program.
 *
 * It keeps to the real one's discriminator, account order, layouts (Whirlpool of 653 bytes, both kinds of tick arrays),
 * Q64.64 arithmetic with its rounding, fee and protocol fee, fee growth inside and outside of ticks and error numbers for
 * swap. Left out: fees that adapt to volatility (such a pool is refused), rewards, events, positions, and every other
 * instruction. Source: manager/swap_manager.rs, math/ and util/ of the Whirlpool program. */
#include "svm.h"

enum { MUT = 2000, RAW = 2003, SEEDS = 2006, ADDRESS = 2012, DISCRIMINATOR = 3002, TOO_FEW = 3005, NOT_MUTABLE = 3006,
       OWNED_BY_WRONG = 3007, BAD_PROGRAM = 3008, NOT_SIGNER = 3010, NO_DIVISOR = 6006, OUT_OF_BOUNDS = 6011,
       TOO_LIQUID = 6014, NOT_LIQUID = 6015, MOST = 6017, LEAST = 6018, BAD_TIME = 6022, BAD_SEQUENCE = 6023, OVERFLOW = 6033,
       BEHIND = 6034, NOTHING = 6035, BELOW_MINIMUM = 6036, ABOVE_MAXIMUM = 6037, SEQUENCE_ENDS = 6038, SUM = 6039,
       REMAINING = 6040, OTHER_POOL = 6056, PARTIAL = 6057, ADAPTIVE = 6066 };
enum { POOL_BYTES = 653, P_CONFIG = 8, P_BUMP = 40, P_SPACING = 41, P_SEED = 43, P_FEE = 45, P_PROTOCOL = 47, P_LIQUIDITY = 49,
       P_SQRT = 65, P_TICK = 81, P_OWED = 85, P_MINT_A = 101, P_VAULT_A = 133, P_GROWTH_A = 165, P_MINT_B = 181,
       P_VAULT_B = 213, P_GROWTH_B = 245, P_TIME = 261 };
enum { TICKS = 88, TICK_BYTES = 113, FIXED_AT = 12, DYNAMIC_AT = 60, MOST_TICK = 443636 };

#define MILLION 1000000ULL
#define ROUNDS (1 << 20)

static const u8 POOL_TAG[8] = {0x3f, 0x95, 0xd1, 0x0c, 0xe1, 0x80, 0x63, 0x09};
static const u8 FIXED_TAG[8] = {0x45, 0x61, 0xbd, 0xbe, 0x6e, 0x07, 0x42, 0xbb};
static const u8 DYNAMIC_TAG[8] = {0x11, 0xd8, 0xf6, 0x8e, 0xe1, 0xc7, 0xda, 0x38};
static const u8 SWAP_TAG[8] = {0xf8, 0xc6, 0x9e, 0x91, 0xe1, 0x75, 0x87, 0xc8};
static const u8 SYSTEM[32] = {0};
static const u8 TOKEN_PROGRAM[32] = {6, 221, 246, 225, 215, 101, 161, 147, 217, 203, 225, 70, 206, 235, 121, 172,
                                     28, 180, 133, 237, 95, 91, 55, 145, 58, 140, 245, 133, 126, 255, 0, 169};

/* 1.0001 to the power of 2^i / 2 in Q96 (low, high), and of -2^i / 2 in Q64 */
static const u64 UPWARDS[38] = {
  18379584988209926159ULL, 4295182038ULL, 13458744476178488859ULL, 4295396792ULL, 7542374851780082549ULL, 4295826332ULL,
  11688190168964099665ULL, 4296685540ULL, 12325950504610477152ULL, 4298404472ULL, 743749799984496066ULL, 4301844400ULL,
  12976902672507316901ULL, 4308732515ULL, 8371584169514950494ULL, 4322541852ULL, 2262161228410220004ULL, 4350293443ULL,
  14459650751607002531ULL, 4406332280ULL, 7840076245800284593ULL, 4520584868ULL, 7174944039344897962ULL, 4758054286ULL,
  358097327435643877ULL, 5271071706ULL, 11388944843577404226ULL, 6469012454ULL, 1754717824462694519ULL, 9743525213ULL,
  11498634451058391528ULL, 22104076011ULL, 5866026427582439525ULL, 113758765237ULL, 17854934707512043213ULL, 3013074553645ULL,
  10158072769176329423ULL, 2113780534320708ULL,
};
static const u64 DOWNWARDS[19] = {
  18445821805675392311ULL, 18444899583751176498ULL, 18443055278223354162ULL, 18439367220385604838ULL,
  18431993317065449817ULL, 18417254355718160513ULL, 18387811781193591352ULL, 18329067761203520168ULL,
  18212142134806087854ULL, 17980523815641551639ULL, 17526086738831147013ULL, 16651378430235024244ULL,
  15030750278693429944ULL, 12247334978882834399ULL, 8131365268884726200ULL, 3584323654723342297ULL,
  696457651847595233ULL, 26294789957452057ULL, 37481735321082ULL,
};

extern u64 sol_try_find_program_address(const Seed *, int, const Key *, Key *, u8 *);

INLINE u64 u16_at(const u8 *at) { return at[0] | (u64)at[1] << 8; }
INLINE i64 i32_at(const u8 *at) { return (i64)(int)(at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24); }
INLINE int tagged(const u8 *data, const u8 *tag) { return get64(data) == get64(tag); }

/* Unsigned integers of 256 bits, the lowest word first. */
typedef struct { u64 w[4]; } u256;

FUNCTION void mul(const u128 *a, const u128 *b, u256 *out) {
  u128 ll = product(a->low, b->low), lh = product(a->low, b->high);
  u128 hl = product(a->high, b->low), hh = product(a->high, b->high);
  u128 middle = plus(plus(wide(ll.high), wide(lh.low)), wide(hl.low));
  u128 top = plus(plus(hh, wide(lh.high)), plus(wide(hl.high), wide(middle.high)));
  out->w[0] = ll.low;
  out->w[1] = middle.low;
  out->w[2] = top.low;
  out->w[3] = top.high;
}

INLINE int up64(u256 *n) {
  if (n->w[3]) return 1;
  n->w[3] = n->w[2];
  n->w[2] = n->w[1];
  n->w[1] = n->w[0];
  n->w[0] = 0;
  return 0;
}

INLINE int below(const u256 *a, const u256 *b) {
  for (int i = 3; i >= 0; i--)
    if (a->w[i] != b->w[i]) return a->w[i] < b->w[i];
  return 0;
}

INLINE void subtract(u256 *a, const u256 *b) {
  u64 borrow = 0;
  for (int i = 0; i < 4; i++) {
    u64 taken = b->w[i] + borrow, carried = borrow && !taken;
    borrow = carried || a->w[i] < taken;
    a->w[i] -= carried ? 0 : taken;
  }
}

INLINE void add(u256 *a, const u256 *b) {
  u64 carry = 0;
  for (int i = 0; i < 4; i++) {
    u64 sum = a->w[i] + b->w[i], more = sum < a->w[i];
    a->w[i] = sum + carry;
    carry = more || a->w[i] < sum;
  }
}

/* n / d, rounded up or down, d not 0; 1 where 128 bits do not hold it */
FUNCTION int divide(const u256 *n, const u256 *d, int up, u128 *out) {
  u256 rest = {{0, 0, 0, 0}}, q = {{0, 0, 0, 0}};
  int begun = 0;
  for (int word = 3; word >= 0; word--) {
    u64 bits = n->w[word], made = 0;
    if (!begun && !bits) continue;
    begun = 1;
    for (int bit = 63; bit >= 0; bit--) {
      u64 carry = rest.w[3] >> 63;
      rest.w[3] = rest.w[3] << 1 | rest.w[2] >> 63;
      rest.w[2] = rest.w[2] << 1 | rest.w[1] >> 63;
      rest.w[1] = rest.w[1] << 1 | rest.w[0] >> 63;
      rest.w[0] = rest.w[0] << 1 | ((bits >> bit) & 1);
      u64 one = carry || !below(&rest, d);
      if (one) subtract(&rest, d);
      made = made << 1 | one;
    }
    q.w[word] = made;
  }
  if (up && (rest.w[0] | rest.w[1] | rest.w[2] | rest.w[3])) {
    u256 one = {{1, 0, 0, 0}};
    add(&q, &one);
  }
  out->low = q.w[0];
  out->high = q.w[1];
  return (q.w[2] | q.w[3]) != 0;
}

/* sqrt_price_from_tick_index */
FUNCTION void sqrt_at(i64 tick, u128 *out) {
  u64 size = (u64)(tick < 0 ? -tick : tick);
  u128 ratio = tick < 0 ? (u128){0, 1} : (u128){0, 1ULL << 32};
  for (int i = 0; i < 19; i++) {
    if (!(size >> i & 1)) continue;
    u128 power = tick < 0 ? wide(DOWNWARDS[i]) : (u128){UPWARDS[2 * i], UPWARDS[2 * i + 1]};
    u256 whole;
    mul(&ratio, &power, &whole);
    if (tick < 0) {
      ratio.low = whole.w[1];
      ratio.high = whole.w[2];
    } else {
      ratio.low = whole.w[1] >> 32 | whole.w[2] << 32;
      ratio.high = whole.w[2] >> 32 | whole.w[3] << 32;
    }
  }
  if (tick >= 0) {
    ratio.low = ratio.low >> 32 | ratio.high << 32;
    ratio.high >>= 32;
  }
  *out = ratio;
}

/* tick_index_from_sqrt_price, by halving: the greatest tick whose price is not above */
FUNCTION i64 tick_at(const u128 *sqrt) {
  i64 low = -MOST_TICK, high = MOST_TICK;
  while (low < high) {
    i64 middle = low + (i64)((u64)(high - low + 1) >> 1);
    u128 at;
    sqrt_at(middle, &at);
    if (less(*sqrt, at)) high = middle - 1;
    else low = middle;
  }
  return low;
}

/* get_amount_delta_a; 1 where 64 bits do not hold it */
FUNCTION u64 delta_a(const u128 *one, const u128 *other, const u128 *liquidity, int up, u64 *out) {
  u128 high = less(*one, *other) ? *other : *one, low = less(*one, *other) ? *one : *other, apart = minus(high, low), q;
  u256 n, d;
  mul(liquidity, &apart, &n);
  mul(&high, &low, &d);
  if (up64(&n)) return CUSTOM(OVERFLOW);
  if (divide(&n, &d, up, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

/* get_amount_delta_b; 1 where 64 bits do not hold it */
FUNCTION u64 delta_b(const u128 *one, const u128 *other, const u128 *liquidity, int up, u64 *out) {
  u128 apart = less(*one, *other) ? minus(*other, *one) : minus(*one, *other);
  u256 n;
  mul(liquidity, &apart, &n);
  if (n.w[2] | n.w[3]) return 1;
  u64 more = up && n.w[0];
  if (more && n.w[1] == ~0ULL) return 1;
  *out = n.w[1] + more;
  return 0;
}

typedef struct {
  u128 sqrt, target, liquidity, after;
  u64 remaining, fee_rate, in, out, fee;
  int a_to_b, exact_in;
} Step;

FUNCTION u64 fixed_delta(const Step *s, const u128 *to, u64 *out) {
  return s->a_to_b == s->exact_in ? delta_a(&s->sqrt, to, &s->liquidity, s->exact_in, out)
                                  : delta_b(&s->sqrt, to, &s->liquidity, s->exact_in, out);
}

/* get_next_sqrt_price */
FUNCTION u64 next_price(Step *s, u64 amount) {
  u256 n, d = {{0, s->liquidity.low, s->liquidity.high, 0}}, part;
  u128 whole = wide(amount), least, most;
  if (s->a_to_b == s->exact_in) {
    s->after = s->sqrt;
    if (!amount) return 0;
    mul(&s->sqrt, &whole, &part);
    mul(&s->liquidity, &s->sqrt, &n);
    if (up64(&n)) return CUSTOM(OVERFLOW);
    if (s->exact_in) {
      add(&d, &part);
    } else {
      if (!below(&part, &d)) return CUSTOM(NO_DIVISOR);
      subtract(&d, &part);
    }
    if (divide(&n, &d, 1, &s->after)) return CUSTOM(MOST);
    sqrt_at(-MOST_TICK, &least);
    sqrt_at(MOST_TICK, &most);
    return less(s->after, least) ? CUSTOM(LEAST) : less(most, s->after) ? CUSTOM(MOST) : 0;
  }
  if (is_zero(s->liquidity)) return CUSTOM(NO_DIVISOR);
  u256 shifted = {{0, amount, 0, 0}}, by = {{s->liquidity.low, s->liquidity.high, 0, 0}};
  u128 delta;
  divide(&shifted, &by, !s->exact_in, &delta);
  if (!s->exact_in && less(s->sqrt, delta)) return CUSTOM(OUT_OF_BOUNDS);
  s->after = s->exact_in ? plus(s->sqrt, delta) : minus(s->sqrt, delta);
  return s->exact_in && less(s->after, s->sqrt) ? CUSTOM(OUT_OF_BOUNDS) : 0;
}

/* a * b / d, rounded up or down */
FUNCTION u64 part_of(u64 a, u64 b, u64 d, int up, u64 *out) {
  u128 n = plus(product(a, b), wide(up ? d - 1 : 0)), one = wide(1), by = wide(d), q;
  if (muldiv(&n, &one, &by, &q) || q.high) return 1;
  *out = q.low;
  return 0;
}

/* compute_swap */
FUNCTION u64 compute(Step *s) {
  u64 most = 0, usable = s->remaining, failed, unfixed, moved;
  u64 exceeds = fixed_delta(s, &s->target, &most);
  if (exceeds > 1) return exceeds;
  if (s->exact_in && part_of(s->remaining, MILLION - s->fee_rate, MILLION, 0, &usable)) return CUSTOM(OVERFLOW);
  if (!exceeds && most <= usable) s->after = s->target;
  else if ((failed = next_price(s, usable))) return failed;
  int reached = !less(s->after, s->target) && !less(s->target, s->after);
  failed = s->a_to_b == s->exact_in ? delta_b(&s->sqrt, &s->after, &s->liquidity, !s->exact_in, &unfixed)
                                    : delta_a(&s->sqrt, &s->after, &s->liquidity, !s->exact_in, &unfixed);
  if (failed) return failed == 1 ? CUSTOM(MOST) : failed;
  moved = most;
  if (!reached || exceeds) {
    failed = fixed_delta(s, &s->after, &moved);
    if (failed) return failed == 1 ? CUSTOM(MOST) : failed;
  }
  s->in = s->exact_in ? moved : unfixed;
  s->out = s->exact_in ? unfixed : moved;
  if (!s->exact_in && s->out > s->remaining) s->out = s->remaining;
  if (s->exact_in && !reached) {
    if (s->in > s->remaining) return CUSTOM(REMAINING);
    s->fee = s->remaining - s->in;
    return 0;
  }
  return part_of(s->in, s->fee_rate, MILLION - s->fee_rate, 1, &s->fee) ? CUSTOM(OVERFLOW) : 0;
}

/* An array of ticks that the swap may pass; without data where nobody has opened it. */
typedef struct { i64 start; u8 *data; } Array;
typedef struct { Array arrays[3]; u64 count; i64 spacing, width; int a_to_b; } Sequence;

FUNCTION u8 *tick_of(const Array *array, u64 place) {
  if (!array->data) return 0;
  if (!tagged(array->data, DYNAMIC_TAG)) return array->data + FIXED_AT + place * TICK_BYTES;
  u8 *at = array->data + DYNAMIC_AT;
  for (u64 i = 0; i < place; i++) at += *at ? TICK_BYTES : 1;
  return at;
}

/* floor(n / d), d positive */
INLINE i64 floor_div(i64 n, i64 d) { return (i64)((u64)(n + d * ROUNDS) / (u64)d) - ROUNDS; }

/* get_next_initialized_tick_index: the tick, and the array that it was found in */
FUNCTION u64 next_tick(const Sequence *q, i64 tick, u64 *place, i64 *found) {
  for (; *place < q->count; (*place)++) {
    const Array *array = &q->arrays[*place];
    i64 low = array->start - (q->a_to_b ? 0 : q->spacing);
    if (tick < low || tick >= low + q->width) return CUSTOM(BAD_SEQUENCE);
    i64 at = floor_div(tick - array->start, q->spacing) + (q->a_to_b ? 0 : 1), step = q->a_to_b ? -1 : 1;
    for (; array->data && at >= 0 && at < TICKS; at += step) {
      if (!*tick_of(array, (u64)at)) continue;
      *found = array->start + at * q->spacing;
      return 0;
    }
    i64 end = q->a_to_b ? array->start : array->start + q->width - 1;
    int at_edge = q->a_to_b ? array->start <= -MOST_TICK : array->start + q->width > MOST_TICK;
    if (at_edge || *place + 1 == q->count) {
      *found = !at_edge ? end : q->a_to_b ? -MOST_TICK : MOST_TICK;
      return 0;
    }
    tick = q->a_to_b ? array->start - 1 : end;
  }
  return CUSTOM(SEQUENCE_ENDS);
}

FUNCTION u64 digits(i64 value, u8 *out) {
  u8 back[12];
  u64 size = 0, left = (u64)(value < 0 ? -value : value), at = 0;
  do { back[size++] = (u8)('0' + left % 10); left /= 10; } while (left);
  if (value < 0) out[at++] = '-';
  while (size) out[at++] = back[--size];
  return at;
}

/* SparseSwapTickSequenceBuilder */
FUNCTION u64 sequence(Input *in, Sequence *q) {
  Account *a = in->accounts, *pool = a + 2;
  i64 tick = i32_at(pool->data + P_TICK);
  for (int i = 7; i < 10; i++) {
    if (same(a[i].owner, SYSTEM) && !a[i].size) continue;
    if (!a[i].writable) return CUSTOM(NOT_MUTABLE);
    if (!same(a[i].owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
    int dynamic = tagged(a[i].data, DYNAMIC_TAG);
    if (!dynamic && !tagged(a[i].data, FIXED_TAG)) return CUSTOM(DISCRIMINATOR);
    if (!same(dynamic ? a[i].data + 12 : a[i].data + FIXED_AT + TICKS * TICK_BYTES, pool->key)) return CUSTOM(OTHER_POOL);
  }
  i64 base = floor_div(tick, q->width) * q->width, shifted = !q->a_to_b && tick + q->spacing >= base + q->width;
  q->count = 0;
  for (int k = 0; k < 3; k++) {
    i64 start = base + q->width * (q->a_to_b ? -k : k + shifted);
    if (start > MOST_TICK || start <= -MOST_TICK - q->width) continue;
    Array *array = &q->arrays[q->count];
    array->start = start;
    array->data = 0;
    int named = 0;
    for (int i = 7; i < 10; i++)
      if (a[i].size && i32_at(a[i].data + 8) == start) { array->data = a[i].data; named = 1; }
    if (!named) {
      u8 text[12], bump;
      Key derived;
      u64 size = digits(start, text);
      Seed seeds[3] = {{(const u8 *)"tick_array", 10}, {pool->key->bytes, 32}, {text, size}};
      sol_try_find_program_address(seeds, 3, in->program, &derived, &bump);
      for (int i = 7; i < 10; i++) named |= same(&derived, a[i].key);
    }
    if (!named) break;
    q->count++;
  }
  return q->count ? 0 : CUSTOM(BAD_SEQUENCE);
}

/* limited: whether a price limit was named; afterwards the tick where the price is */
typedef struct { u128 growth; u64 amount_a, amount_b, protocol, limited; } Done;

/* calculate_update: the tick's growth outside, and the liquidity beyond it */
FUNCTION u64 cross(u8 *tick, const u8 *pool, const Done *done, Step *s) {
  u128 other_a = s->a_to_b ? done->growth : get128(pool + P_GROWTH_A);
  u128 other_b = s->a_to_b ? get128(pool + P_GROWTH_B) : done->growth;
  put128(tick + 33, minus(other_a, get128(tick + 33)));
  put128(tick + 49, minus(other_b, get128(tick + 49)));
  u128 net = get128(tick + 1), none = {0, 0}, was = s->liquidity;
  int negative = (int)(net.high >> 63);
  if (negative) net = minus(none, net);
  if (negative != s->a_to_b) {
    if (less(was, net)) return CUSTOM(NOT_LIQUID);
    s->liquidity = minus(was, net);
    return 0;
  }
  s->liquidity = plus(was, net);
  return less(s->liquidity, was) ? CUSTOM(TOO_LIQUID) : 0;
}

/* The walk itself; the pool is written once it is known to be good. */
FUNCTION u64 walk(const u8 *p, Sequence *q, Step *s, const u128 *limit, Done *done) {
  i64 tick = i32_at(p + P_TICK), goal = 0;
  u64 place = 0, failed, amount = s->remaining, calculated = 0, cut;
  done->growth = get128(p + (s->a_to_b ? P_GROWTH_A : P_GROWTH_B));
  done->protocol = 0;
  while (s->remaining && (less(s->sqrt, *limit) || less(*limit, s->sqrt))) {
    if ((failed = next_tick(q, tick, &place, &goal))) return failed;
    u128 at;
    sqrt_at(goal, &at);
    s->target = less(at, *limit) == s->a_to_b ? *limit : at;
    if ((failed = compute(s))) return failed;
    u64 spent = s->exact_in ? s->in + s->fee : s->out, more = s->exact_in ? s->out : s->in + s->fee;
    if (spent > s->remaining || s->in + s->fee < s->in) return CUSTOM(REMAINING);
    if (calculated + more < calculated) return CUSTOM(SUM);
    s->remaining -= spent;
    calculated += more;
    if (part_of(s->fee, u16_at(p + P_PROTOCOL), 10000, 0, &cut)) return CUSTOM(OVERFLOW);
    done->protocol += cut;
    if (!is_zero(s->liquidity)) {
      u256 shifted = {{0, s->fee - cut, 0, 0}}, by = {{s->liquidity.low, s->liquidity.high, 0, 0}};
      u128 each;
      divide(&shifted, &by, 0, &each);
      done->growth = plus(done->growth, each);
    }
    if (!less(s->after, at) && !less(at, s->after)) {
      i64 offset = floor_div(goal - q->arrays[place].start, q->spacing);
      u8 *found = goal == q->arrays[place].start + offset * q->spacing && offset < TICKS ? tick_of(&q->arrays[place], (u64)offset) : 0;
      if (found && *found && (failed = cross(found, p, done, s))) return failed;
      if (offset == (s->a_to_b ? 0 : TICKS - 1)) place++;
      tick = s->a_to_b ? goal - 1 : goal;
    } else if (less(s->after, s->sqrt) || less(s->sqrt, s->after)) {
      tick = tick_at(&s->after);
    }
    s->sqrt = s->after;
  }
  if (s->remaining && !s->exact_in && !done->limited) return CUSTOM(PARTIAL);
  u64 moved = amount - s->remaining;
  done->amount_a = s->a_to_b == s->exact_in ? moved : calculated;
  done->amount_b = s->a_to_b == s->exact_in ? calculated : moved;
  done->limited = (u64)tick;
  return 0;
}

FUNCTION u64 accounts_fault(const Input *in) {
  const Account *a = in->accounts, *pool = a + 2;
  if (in->count < 11) return CUSTOM(TOO_FEW);
  if (!same(a[0].key, TOKEN_PROGRAM)) return CUSTOM(BAD_PROGRAM);
  if (!a[1].signer) return CUSTOM(NOT_SIGNER);
  if (!same(pool->owner, in->program)) return CUSTOM(OWNED_BY_WRONG);
  if (pool->size != POOL_BYTES || !tagged(pool->data, POOL_TAG)) return CUSTOM(DISCRIMINATOR);
  for (int i = 2; i < 10; i++)
    if (!a[i].writable) return CUSTOM(MUT);
  for (int i = 3; i < 7; i++)
    if (!same(a[i].owner, TOKEN_PROGRAM)) return CUSTOM(OWNED_BY_WRONG);
  if (!same(a[3].data, pool->data + P_MINT_A) || !same(a[5].data, pool->data + P_MINT_B)) return CUSTOM(RAW);
  if (!same(a[4].key, pool->data + P_VAULT_A) || !same(a[6].key, pool->data + P_VAULT_B)) return CUSTOM(ADDRESS);
  Seed seeds[2] = {{(const u8 *)"oracle", 6}, {pool->key->bytes, 32}};
  Key derived;
  u8 bump;
  sol_try_find_program_address(seeds, 2, in->program, &derived, &bump);
  if (!same(&derived, a[10].key)) return CUSTOM(SEEDS);
  return a[10].size ? CUSTOM(ADAPTIVE) : 0;
}

FUNCTION u64 pay(Input *in, const Done *done, int a_to_b) {
  Account *a = in->accounts, *pool = a + 2;
  u8 *p = pool->data;
  TokenCall give = {TOKEN_TRANSFER, a_to_b ? done->amount_a : done->amount_b, a_to_b ? a + 3 : a + 5, a_to_b ? a + 4 : a + 6, a + 1, a};
  TokenCall take = {TOKEN_TRANSFER, a_to_b ? done->amount_b : done->amount_a, a_to_b ? a + 6 : a + 4, a_to_b ? a + 5 : a + 3, pool, a};
  Seed seeds[6] = {{(const u8 *)"whirlpool", 9}, {p + P_CONFIG, 32}, {p + P_MINT_A, 32}, {p + P_MINT_B, 32}, {p + P_SEED, 2}, {p + P_BUMP, 1}};
  Signer signer = {seeds, 6};
  u64 failed = token(&give, in, 0);
  return failed ? failed : token(&take, in, &signer);
}

/* token program, owner, pool, our A, its A, our B, its B, three arrays of ticks, oracle */
FUNCTION u64 swap(Input *in) {
  u64 failed = accounts_fault(in), threshold = get64(in->data + 16);
  if (failed) return failed;
  u8 *p = in->accounts[2].data;
  u128 limit = get128(in->data + 24), least, most;
  Step s;
  s.exact_in = in->data[40] != 0;
  s.a_to_b = in->data[41] != 0;
  s.remaining = get64(in->data + 8);
  s.fee_rate = u16_at(p + P_FEE);
  s.sqrt = get128(p + P_SQRT);
  s.liquidity = get128(p + P_LIQUIDITY);
  Sequence q;
  q.spacing = (i64)u16_at(p + P_SPACING);
  q.width = q.spacing * TICKS;
  q.a_to_b = s.a_to_b;
  if ((failed = sequence(in, &q))) return failed;
  Done done;
  done.limited = !is_zero(limit);
  sqrt_at(-MOST_TICK, &least);
  sqrt_at(MOST_TICK, &most);
  if (!done.limited) limit = s.a_to_b ? least : most;
  if (less(limit, least) || less(most, limit)) return CUSTOM(OUT_OF_BOUNDS);
  if (s.a_to_b ? !less(limit, s.sqrt) : !less(s.sqrt, limit)) return CUSTOM(BEHIND);
  if (!s.remaining) return CUSTOM(NOTHING);
  Clock clock;
  sol_get_clock_sysvar(&clock);
  if ((u64)clock.time < get64(p + P_TIME)) return CUSTOM(BAD_TIME);
  if ((failed = walk(p, &q, &s, &limit, &done))) return failed;
  u64 into = s.a_to_b ? done.amount_a : done.amount_b, out = s.a_to_b ? done.amount_b : done.amount_a;
  if (s.exact_in && out < threshold) return CUSTOM(BELOW_MINIMUM);
  if (!s.exact_in && into > threshold) return CUSTOM(ABOVE_MAXIMUM);
  put128(p + P_LIQUIDITY, s.liquidity);
  put128(p + P_SQRT, s.sqrt);
  for (int i = 0; i < 4; i++) p[P_TICK + i] = (u8)(done.limited >> (8 * i));
  put128(p + (s.a_to_b ? P_GROWTH_A : P_GROWTH_B), done.growth);
  u8 *owed = p + P_OWED + (s.a_to_b ? 0 : 8);
  put64(owed, get64(owed) + done.protocol);
  put64(p + P_TIME, (u64)clock.time);
  return pay(in, &done, s.a_to_b);
}

u64 entrypoint(u8 *input) {
  Input in;
  if (parse(input, &in)) return CUSTOM(TOO_FEW);
  if (in.size != 42 || !tagged(in.data, SWAP_TAG)) return CUSTOM(101);
  LOG("Instruction: Swap");
  return swap(&in);
}
