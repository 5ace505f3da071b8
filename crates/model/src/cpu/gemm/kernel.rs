//! The innermost loops: tiles of the target in registers, for the instruction set found at run time.

#[cfg(target_arch = "x86_64")]
mod pairs;

use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

use super::{factors::Factors, pack::Block};

/// Rows and columns of the target that are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Most steps of a panel, each of one or two k.
    pub(super) depth: usize,
}

/// What is done with the finished tiles.
#[derive(Clone, Copy, Debug)]
pub(super) enum Store {
    /// The target becomes the product times this.
    Replace(f32),
    /// The product times this is added to the target.
    Sum(f32),
}

/// Steps between two jumps of the innermost loop, which cost a tenth of it otherwise.
const UNROLLED: usize = 4;

/// For each width of vectors rows and vectors of a tile: as many sums as there are registers for,
/// beside the vectors of the right factor and one of the left. And the depth: panels fit the first-level cache, but for
/// those of 48 columns, which come from the second-level one in time; the more steps, the fewer times a target is
/// read and written.
macro_rules! with_tile {
    ($lanes:expr, $run:ident) => {
        match $lanes {
            16 => $run!(8, 3, 512),
            8 => $run!(6, 2, 256),
            4 => $run!(6, 4, 256),
            _ => $run!(4, 4, 256),
        }
    };
}

impl Tile {
    /// The one for this processor.
    pub(super) fn of_processor() -> Self {
        static TILE: OnceLock<Tile> = OnceLock::new();
        *TILE.get_or_init(|| Arch::new().dispatch(Shape))
    }
}

struct Shape;

impl WithSimd for Shape {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        macro_rules! tile {
            ($rows:literal, $vectors:literal, $depth:literal) => {
                Tile { rows: $rows, columns: $vectors * S::F32_LANES, depth: $depth }
            };
        }
        with_tile!(S::F32_LANES, tile)
    }
}

/// All tiles of a block: packed rows of the left factor times packed panels of the right one.
///
/// # Shapes
/// - target: `[rows, columns]`, its rows `stride` apart
/// - left: panels `[steps, tile rows]`; right: panels `[steps, tile columns]`
pub(super) fn block(
    target: &mut [f32],
    stride: usize,
    [rows, columns]: [usize; 2],
    left: &[f32],
    right: &Block<'_>,
    store: Store,
) {
    let tiles = Tiles { target, stride, rows, columns, left, right, store };
    match right.factors {
        Factors::Single | Factors::Rounded => Arch::new().dispatch(tiles),
        #[cfg(target_arch = "x86_64")]
        Factors::Pairs => pairs::run(tiles),
        #[cfg(not(target_arch = "x86_64"))]
        Factors::Pairs => unreachable!("pairs are for processors that multiply them"),
    }
}

/// Whether this processor multiplies pairs of bfloat16.
pub(super) fn has_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pairs::available();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

struct Tiles<'a> {
    target: &'a mut [f32],
    stride: usize,
    rows: usize,
    columns: usize,
    left: &'a [f32],
    right: &'a Block<'a>,
    store: Store,
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        macro_rules! tiles {
            ($rows:literal, $vectors:literal, $depth:literal) => {
                self.run::<S, $rows, $vectors>(
                    simd,
                    #[inline(always)]
                    |left, right, sum| simd.mul_add_e_f32s(left, right, sum),
                )
            };
        }
        with_tile!(S::F32_LANES, tiles)
    }
}

impl Tiles<'_> {
    /// `add` adds the products of a step to the sums: of left, right, sums.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(
        self,
        simd: S,
        add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
    ) {
        let Self { target, stride, rows, columns, left, right, store } = self;
        let (width, depth) = (VECTORS * S::F32_LANES, right.steps.len());
        let panels = right.panels.chunks_exact(right.panel_stride).zip((0..columns).step_by(width));
        for (right, column) in panels {
            let right = &right[..depth * width];
            let n_columns = width.min(columns - column);
            for (panel, left) in left.chunks_exact(depth * ROWS).enumerate() {
                let row = panel * ROWS;
                let n_rows = ROWS.min(rows - row);
                let sums = sums::<S, ROWS, VECTORS>(simd, left, right, add);
                let target = &mut target[row * stride + column..];
                if n_rows == ROWS && n_columns == width {
                    for (row, sums) in sums.iter().enumerate() {
                        let target = &mut target[row * stride..][..width];
                        let (target, _) = S::as_mut_simd_f32s(target);
                        write(simd, target, sums, store);
                    }
                } else {
                    for (row, sums) in sums.iter().enumerate().take(n_rows) {
                        let target = &mut target[row * stride..][..n_columns];
                        write_part::<S, VECTORS>(simd, target, sums, store);
                    }
                }
            }
        }
    }
}

/// The products of one panel of each factor, summed over the steps in order.
#[inline(always)]
fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
) -> [[S::f32s; VECTORS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = S::as_simd_f32s(right);
    let (right, _) = right.as_chunks::<VECTORS>();
    let (left_blocks, left_rest) = left.as_chunks::<UNROLLED>();
    let (right_blocks, right_rest) = right.as_chunks::<UNROLLED>();
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for step in 0..UNROLLED {
            add_step::<S, ROWS, VECTORS>(simd, &mut sums, &left[step], &right[step], add);
        }
    }
    for (left, right) in left_rest.iter().zip(right_rest) {
        add_step::<S, ROWS, VECTORS>(simd, &mut sums, left, right, add);
    }
    sums
}

/// Adds the products of one step.
#[inline(always)]
fn add_step<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    sums: &mut [[S::f32s; VECTORS]; ROWS],
    left: &[f32; ROWS],
    right: &[S::f32s; VECTORS],
    add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
) {
    for row in 0..ROWS {
        let left = simd.splat_f32s(left[row]);
        for vector in 0..VECTORS {
            sums[row][vector] = add(left, right[vector], sums[row][vector]);
        }
    }
}

#[inline(always)]
fn write<S: Simd>(simd: S, target: &mut [S::f32s], sums: &[S::f32s], store: Store) {
    for (target, sum) in target.iter_mut().zip(sums) {
        *target = match store {
            Store::Replace(factor) => simd.mul_f32s(*sum, simd.splat_f32s(factor)),
            Store::Sum(factor) => simd.mul_add_e_f32s(*sum, simd.splat_f32s(factor), *target),
        };
    }
}

/// A row of a tile that reaches over the border of the target.
#[inline(always)]
fn write_part<S: Simd, const VECTORS: usize>(
    simd: S,
    target: &mut [f32],
    sums: &[S::f32s; VECTORS],
    store: Store,
) {
    let mut whole = [simd.splat_f32s(0.0); VECTORS];
    let values: &mut [f32] = pulp::bytemuck::cast_slice_mut(&mut whole);
    values[..target.len()].copy_from_slice(target);
    write(simd, &mut whole, sums, store);
    let values: &[f32] = pulp::bytemuck::cast_slice(&whole);
    target.copy_from_slice(&values[..target.len()]);
}
