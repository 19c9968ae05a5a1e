// Gradient descent on deep unconstrained feature models, one model per lane of a vector.
//
// An entry of a matrix is a vector: the same entry of as many models as the machine's vectors have lanes (a group).
// So every loop is over matrices of one model, no lane ever waits for another, and what a model does depends on nothing
// else in its group. A group takes a whole block of steps before the next one starts, so it stays in the cache.
//
// Gradients are pairs of matrices whose product is N times a factor's data gradient, as in torch_gradient.py:
//   linear, with B_L = W_L, B_l = B_{l+1} W_l, C_1 = R H_1^T, C_l = C_{l-1} W_{l-1}^T:
//     H_1: B_1^T, R;  W_l: B_{l+1}^T, C_l;  W_L: C_{L-1}, W_{L-1}^T  (R, H_1^T for L = 1).
//   relu, with X_1 = H_1, X_{l+1} = relu(W_l X_l), E_{L-1} = (W_L^T R) 1[X_L > 0], E_{l-1} = (W_l^T E_l) 1[X_l > 0]:
//     H_1: W_1^T, E_1;  W_l: E_l, X_l^T;  W_L: R, X_L^T.
//
// Compiled once per precision with -DREAL=float or -DREAL=double.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>
#ifdef __SSE2__
#include <immintrin.h>
#endif

// Bytes of a vector; rows and columns of the register tile: as many accumulators as the registers leave room for.
#if defined(__AVX512F__)
#define VECTOR 64
#define TILE_ROWS 5
#define TILE_COLUMNS 5
#elif defined(__AVX__)
#define VECTOR 32
#define TILE_ROWS 5
#define TILE_COLUMNS 2
#elif defined(__aarch64__)
#define VECTOR 16
#define TILE_ROWS 5
#define TILE_COLUMNS 4
#else
#define VECTOR 16
#define TILE_ROWS 5
#define TILE_COLUMNS 2
#endif

extern "C" {

// What is trained; the mirror of deepcollapse.ufm.Problem.
struct Model {
    int64_t classes, samples, width, layers, relu, squared;
    const int64_t *labels;
    const double *decays;
};

// Groups and what is to be done with them; `steps` holds the steps each lane still takes, losses and norms come back.
struct Block {
    REAL *state, *scratch;
    int64_t groups, threads;
    double lr;
    const int64_t *steps;
    double *losses, *norms;
};
}

namespace {

using Real = REAL;
using Whole = std::conditional_t<std::is_same_v<Real, double>, int64_t, int32_t>;
typedef Real Vector __attribute__((vector_size(VECTOR), may_alias));
typedef Whole Wholes __attribute__((vector_size(VECTOR), may_alias));
using Index = std::ptrdiff_t;

constexpr int lane_count = VECTOR / sizeof(Real);
constexpr Index inner_block = 72;  // terms of a sum between two visits of the result: what the first-level cache holds

Vector all(double value) { return Vector{} + static_cast<Real>(value); }

// exp(x) for x <= 0, by x = n log 2 + r and the Taylor series in r, |r| <= log(2) / 2, to below half a unit in the
// last place; x below the clamp gives the smallest normal number instead of less.
Vector exponential(Vector x) {
    constexpr bool wide = std::is_same_v<Real, double>;
    constexpr int degree = wide ? 13 : 7, mantissa = wide ? 52 : 23;
    const Vector least = all(wide ? -708.0 : -87.0), shift = all(wide ? 0x1.8p52 : 0x1.8p23);
    const Vector high = all(wide ? 0x1.62e42feep-1 : 0x1.62e4p-1);
    const Vector low = all(wide ? 0x1.a39ef35793c76p-33 : 0x1.7f7d1cf79abcap-20);
    x = x < least ? least : x;
    const Vector shifted = x * all(0x1.71547652b82fep0) + shift, n = shifted - shift;
    const Vector r = x - n * high - n * low;
    double factorial = 1;
    for (int k = 2; k <= degree; ++k) factorial *= k;
    Vector sum = all(1 / factorial);
    for (int k = degree; k > 0; --k) sum = sum * r + all(1 / (factorial /= k));
    return (Vector)((Wholes)sum + ((Wholes)shifted << mantissa));
}

// A matrix of vectors; transposing swaps the strides.
struct Matrix {
    Vector *at = nullptr;
    Index row = 0, column = 1;
    Vector &operator()(Index i, Index j) const { return at[i * row + j * column]; }
    Matrix transposed() const { return {at, column, row}; }
};

// Memory handed out matrix by matrix. Rows are an odd number of vectors apart: no stride shares a factor with the
// number of cache sets, so a walk down a column never falls into a few of them.
struct Room {
    Vector *base;
    Index used = 0;
    Matrix matrix(Index rows, Index columns) {
        const Index row = columns | 1;
        Matrix found{base ? base + used : nullptr, row, 1};
        used += rows * row;
        return found;
    }
};

// What becomes of the entries of a product: kept as they are, rectified, masked by given > 0, added to kept * given, or
// that and the sum of its squares only.
enum class Fate { store, rectify, mask, update, measure };

struct Product {
    Matrix left, right, out;
    Index rows, columns, inner;
    Fate fate = Fate::store;
    Matrix given{};
    Vector kept{}, *square = nullptr;
};

// use(r, c) for every entry of a tile, without a loop: only then does the compiler keep a tile in registers.
template <int R, int C, class Use>
inline void each_of(Use use) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) use(r, c);
}

// R x C entries from terms begin..end of their sums, in registers; earlier terms are found in `out`.
template <int R, int C>
void tile(const Product &p, Index i, Index j, Index begin, Index end) {
    Vector sums[R][C];
    const Index row = p.out.row, left_row = p.left.row, right_column = p.right.column;
    Vector *const out = &p.out(i, j);
    const Vector *const given = p.given.at + (out - p.out.at);  // laid out as `out` is
    if (begin) {
        each_of<R, C>([&](int r, int c) { sums[r][c] = out[r * row + c]; });
    } else if (p.fate == Fate::update || p.fate == Fate::measure) {
        each_of<R, C>([&, kept = p.kept](int r, int c) { sums[r][c] = kept * given[r * row + c]; });
    } else {
        each_of<R, C>([&](int r, int c) { sums[r][c] = Vector{}; });
    }
    const Vector *left = &p.left(i, begin), *right = &p.right(begin, j);
    for (Index k = begin; k < end; ++k, left += p.left.column, right += p.right.row) {
        Vector factors[C];
        each_of<1, C>([&](int, int c) { factors[c] = right[c * right_column]; });
        each_of<R, C>([&](int r, int c) { sums[r][c] += left[r * left_row] * factors[c]; });
    }
    const Fate fate = end < p.inner ? Fate::store : p.fate;
    if (fate == Fate::store || fate == Fate::update) {
        each_of<R, C>([&](int r, int c) { out[r * row + c] = sums[r][c]; });
    } else if (fate == Fate::rectify) {
        each_of<R, C>([&](int r, int c) { out[r * row + c] = sums[r][c] < Vector{} ? Vector{} : sums[r][c]; });
    } else if (fate == Fate::mask) {
        each_of<R, C>([&](int r, int c) { out[r * row + c] = given[r * row + c] > Vector{} ? sums[r][c] : Vector{}; });
    } else {
        Vector square{};
        each_of<R, C>([&](int r, int c) { square += sums[r][c] * sums[r][c]; });
        *p.square += square;
    }
}

using Tile = void (*)(const Product &, Index, Index, Index, Index);

template <int... Codes>
constexpr std::array<Tile, sizeof...(Codes)> tiles_of(std::integer_sequence<int, Codes...>) {
    return {tile<Codes / TILE_COLUMNS + 1, Codes % TILE_COLUMNS + 1>...};
}
constexpr auto tiles = tiles_of(std::make_integer_sequence<int, TILE_ROWS * TILE_COLUMNS>{});

// A side cut into as few nearly equal parts of at most `most` as possible.
struct Cut {
    Index count, least, longer;
    Cut(Index whole, Index most) : count((whole + most - 1) / most), least(whole / count), longer(whole % count) {}
    Index operator()(Index part) const { return least + (part < longer); }
};

// All entries, tile by tile; the shorter side is gone through within the longer one.
void multiply(const Product &p) {
    const bool whole = p.fate == Fate::measure;  // nothing is written, unfinished sums neither
    const Cut blocks(p.inner, whole ? p.inner : inner_block), high(p.rows, TILE_ROWS), wide(p.columns, TILE_COLUMNS);
    const auto code = [](Index r, Index c) { return (r - 1) * TILE_COLUMNS + c - 1; };
    for (Index block = 0, begin = 0; block < blocks.count; begin += blocks(block++)) {
        const Index end = begin + blocks(block);
        if (p.rows > p.columns) {
            for (Index y = 0, i = 0; y < high.count; i += high(y++))
                for (Index x = 0, j = 0; x < wide.count; j += wide(x++))
                    tiles[code(high(y), wide(x))](p, i, j, begin, end);
        } else {
            for (Index x = 0, j = 0; x < wide.count; j += wide(x++))
                for (Index y = 0, i = 0; y < high.count; i += high(y++))
                    tiles[code(high(y), wide(x))](p, i, j, begin, end);
        }
    }
}

// The factors of one group, with the matrices a step goes through.
class Group {
public:
    Group(const Model &model, Vector *state, Vector *scratch) : m(model), held{state}, lent{scratch} {
        const Index d = m.width, K = m.classes, N = m.samples, L = m.layers;
        for (Index f = 0; f <= L; ++f) factors.push_back(held.matrix(f < L ? d : K, f ? d : N));
        linear = !m.relu || L == 1;
        logits = lent.matrix(K, N);
        spare = linear ? lent.matrix(K, d) : lent.matrix(d, N);
        forth.push_back({}), back.push_back({});  // counted from 1
        for (Index l = 1; l < L; ++l) {
            forth.push_back(linear ? lent.matrix(K, d) : lent.matrix(d, N));
            back.push_back(linear ? lent.matrix(K, d) : lent.matrix(d, N));
        }
    }

    Index state_size() const { return held.used; }
    Index scratch_size() const { return lent.used; }
    Index columns(Index factor) const { return factor ? m.width : m.samples; }
    Index rows(Index factor) const { return factor < m.layers ? m.width : m.classes; }
    const Matrix &factor(Index index) const { return factors[index]; }

    // Each lane takes its number of steps; one that has taken them stands still while others go on.
    void descend(const int64_t *steps, double lr) {
        const Vector *home = factors[twice()].at;
        for (int64_t done = 0, next = 0;; done = next) {
            Vector rate{};
            next = INT64_MAX;
            for (int lane = 0; lane < lane_count; ++lane) {
                if (steps[lane] <= done) continue;
                rate[lane] = 1;
                next = std::min(next, steps[lane]);
            }
            if (next == INT64_MAX) break;
            for (int64_t step = done; step < next; ++step) update(rate, lr);
        }
        if (factors[twice()].at == home) return;
        std::swap(factors[twice()], spare);
        std::copy_n(spare.at, rows(twice()) * spare.row, factors[twice()].at);
    }

    // F and ||grad F|| of every lane.
    void measure(double *losses, double *norms) {
        Vector loss{}, square{};
        pass(all(1.0 / m.samples), &loss);
        loss /= all(m.samples);
        each_product([&](Index f, Matrix left, Matrix right, Index inner) {
            multiply({left, right, factors[f], rows(f), columns(f), inner, Fate::measure, factors[f],
                      all(m.decays[f]), &square});
            Vector total{};
            for (Index i = 0; i < rows(f); ++i) {
                Vector sum{};
                for (Index j = 0; j < columns(f); ++j) sum += factors[f](i, j) * factors[f](i, j);
                total += sum;
            }
            loss += all(m.decays[f] / 2) * total;
        });
        for (int lane = 0; lane < lane_count; ++lane) {
            losses[lane] = loss[lane];
            norms[lane] = std::sqrt(static_cast<double>(square[lane]));
        }
    }

private:
    const Model &m;
    Room held, lent;
    bool linear;
    std::vector<Matrix> factors, forth, back;  // forth: B_l or X_{l+1}; back: C_l or E_l; l = 1 .. L-1
    Matrix logits, spare;

    // The factor whose old value is read after its new one is known: the new one goes to the spare matrix.
    Index twice() const { return linear ? m.layers : 0; }

    void update(Vector rate, double lr) {
        pass(rate * all(-lr / m.samples), nullptr);
        each_product([&](Index f, Matrix left, Matrix right, Index inner) {
            const Vector kept = rate > Vector{} ? all(1.0 - lr * m.decays[f]) : all(1.0);
            multiply({left, right, f == twice() ? spare : factors[f], rows(f), columns(f), inner, Fate::update,
                      factors[f], kept, nullptr});
        });
        std::swap(factors[twice()], spare);
    }

    // Brings logits (then share * R) and the matrices of the products up to date with the factors. Every product holds
    // R once, so the share is in all of them and no product needs to be scaled.
    void pass(Vector share, Vector *loss) {
        const Index d = m.width, K = m.classes, N = m.samples, L = m.layers;
        const std::vector<Matrix> &W = factors;
        if (linear) {
            for (Index l = L - 1; l > 0; --l) multiply({ahead(l + 1), W[l], forth[l], K, d, d});
            multiply({ahead(1), W[0], logits, K, N, d});
            residual(share, loss);
            for (Index l = 1; l < L; ++l)
                multiply({l == 1 ? logits : back[l - 1], W[l - 1].transposed(), back[l], K, d, l == 1 ? N : d});
            return;
        }
        for (Index l = 1; l < L; ++l) multiply({W[l], input(l), forth[l], d, N, d, Fate::rectify});
        multiply({W[L], input(L), logits, K, N, d});
        residual(share, loss);
        for (Index l = L - 1; l > 0; --l)
            multiply({W[l + 1].transposed(), error(l + 1), back[l], d, N, l + 1 == L ? K : d, Fate::mask, input(l + 1)});
    }

    // The factors with their pairs of matrices, in an order in which they may be updated one after the other.
    template <class Use>
    void each_product(Use use) {
        const Index d = m.width, K = m.classes, N = m.samples, L = m.layers;
        if (linear) {
            use(L, L == 1 ? logits : back[L - 1], factors[L - 1].transposed(), L == 1 ? N : d);
            for (Index l = L - 1; l > 0; --l) use(l, ahead(l + 1).transposed(), back[l], K);
            use(0, ahead(1).transposed(), logits, K);
            return;
        }
        use(0, factors[1].transposed(), error(1), d);
        for (Index l = 1; l <= L; ++l) use(l, error(l), input(l).transposed(), N);
    }

    Matrix ahead(Index l) const { return l == m.layers ? factors[l] : forth[l]; }
    Matrix input(Index l) const { return l == 1 ? factors[0] : forth[l - 1]; }
    Matrix error(Index l) const { return l == m.layers ? logits : back[l]; }

    // share * R in place of Z, sample by sample; adds N g(Z) to the loss if there is one.
    void residual(Vector share, Vector *loss) {
        for (Index n = 0; n < m.samples; ++n) {
            Vector &labelled = logits(m.labels[n], n);
            const Vector target = labelled;
            Vector top{}, sum = all(1);
            if (!m.squared) top = soften(n, sum);
            labelled -= sum;
            if (loss && m.squared)
                for (Index k = 0; k < m.classes; ++k) *loss += all(0.5) * logits(k, n) * logits(k, n);
            else if (loss)
                for (int lane = 0; lane < lane_count; ++lane)
                    (*loss)[lane] += std::log(sum[lane]) + (top[lane] - target[lane]);
            const Vector scale = share / sum;
            for (Index k = 0; k < m.classes; ++k) logits(k, n) *= scale;
        }
    }

    // exp(entry - largest entry) in place of one column's entries; returns the largest and, in sum, their sum.
    Vector soften(Index n, Vector &sum) {
        Vector top = logits(0, n);
        for (Index k = 1; k < m.classes; ++k) top = logits(k, n) > top ? logits(k, n) : top;
        sum = Vector{};
        for (Index k = 0; k < m.classes; ++k) sum += logits(k, n) = exponential(logits(k, n) - top);
        return top;
    }
};

// Numbers below the normal ones count as zero while this lives: they are slow, and nothing here depends on them.
struct NoSubnormals {
#ifdef __SSE2__
    unsigned before = _mm_getcsr();
    NoSubnormals() { _mm_setcsr(before | 0x8040); }
    ~NoSubnormals() { _mm_setcsr(before); }
#endif
};

Vector *vectors(Real *numbers) { return reinterpret_cast<Vector *>(numbers); }

// One number of one lane; `visit` sees all of a model in the order of its factors, row by row.
template <class Visit>
void each_entry(const Model &model, Real *group, Visit visit) {
    const Group layout(model, vectors(group), nullptr);
    for (Index f = 0; f <= model.layers; ++f)
        for (Index i = 0; i < layout.rows(f); ++i)
            for (Index j = 0; j < layout.columns(f); ++j) visit(layout.factor(f)(i, j));
}

}  // namespace

extern "C" {

int64_t lanes() { return lane_count; }

// Numbers a group takes, and numbers a thread works with.
int64_t state_size(const Model *model) { return Group(*model, nullptr, nullptr).state_size() * lane_count; }
int64_t scratch_size(const Model *model) { return Group(*model, nullptr, nullptr).scratch_size() * lane_count; }

void put(const Model *model, REAL *group, int64_t lane, const double *from) {
    each_entry(*model, group, [&](Vector &entry) { entry[lane] = static_cast<Real>(*from++); });
}

void take(const Model *model, REAL *group, int64_t lane, double *to) {
    each_entry(*model, group, [&](Vector &entry) { *to++ = entry[lane]; });
}

// `count` is a multiple of the lanes, both arrays are aligned to a vector.
void exponentials(REAL *x, REAL *y, int64_t count) {
    for (int64_t n = 0; n < count / lane_count; ++n) vectors(y)[n] = exponential(vectors(x)[n]);
}

// A block of steps for every group, then its losses and gradient norms; threads take the next group as they get free.
void run(const Model *model, const Block *block) {
    const int64_t state = state_size(model), scratch = scratch_size(model);
    std::atomic<int64_t> next{0};
    auto work = [&](int64_t thread) {
        const NoSubnormals guard;
        for (int64_t g; (g = next++) < block->groups;) {
            Group group(*model, vectors(block->state + g * state), vectors(block->scratch + thread * scratch));
            group.descend(block->steps + g * lane_count, block->lr);
            group.measure(block->losses + g * lane_count, block->norms + g * lane_count);
        }
    };
    std::vector<std::thread> others;
    try {
        for (int64_t t = 1; t < std::min(block->threads, block->groups); ++t) others.emplace_back(work, t);
    } catch (const std::system_error &) {  // no thread to be had: the others take its groups
    }
    work(0);
    for (std::thread &other : others) other.join();
}
}
