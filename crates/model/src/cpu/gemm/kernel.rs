//! The innermost loops: tiles of the target in registers, for the instruction set found at run time.

#[cfg(target_arch = "x86_64")]
mod pairs;

use std::{ops::Range, sync::OnceLock};

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
        mut self,
        simd: S,
        add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
    ) {
        let (width, depth) = (VECTORS * S::F32_LANES, self.right.steps.len());
        let panels = self.right.panels.chunks_exact(self.right.panel_stride);
        for (right, column) in panels.zip((0..self.columns).step_by(width)) {
            let right = &right[..depth * width];
            let columns = column..self.columns.min(column + width);
            // Vectors over the border are left out.
            match columns.len().div_ceil(S::F32_LANES) {
                1 => self.panel::<S, ROWS, VECTORS, 1>(simd, right, columns, add),
                2 => self.panel::<S, ROWS, VECTORS, 2>(simd, right, columns, add),
                _ => self.panel::<S, ROWS, VECTORS, VECTORS>(simd, right, columns, add),
            }
        }
    }

    /// The tiles of one panel of the right factor, of whose vectors the first `USED` are multiplied.
    #[inline(always)]
    fn panel<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
        &mut self,
        simd: S,
        right: &[f32],
        columns: Range<usize>,
        add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
    ) {
        let Self { target, stride, rows, left, right: Block { steps, .. }, store, .. } = self;
        for (panel, left) in left.chunks_exact(steps.len() * ROWS).enumerate() {
            let row = panel * ROWS;
            let n_rows = ROWS.min(*rows - row);
            let sums = sums::<S, ROWS, VECTORS, USED>(simd, left, right, add);
            let target = &mut target[row * *stride + columns.start..];
            if n_rows == ROWS && columns.len() == USED * S::F32_LANES {
                for (row, sums) in sums.iter().enumerate() {
                    let target = &mut target[row * *stride..][..columns.len()];
                    let (target, _) = S::as_mut_simd_f32s(target);
                    write(simd, target, sums, *store);
                }
            } else {
                for (row, sums) in sums.iter().enumerate().take(n_rows) {
                    let target = &mut target[row * *stride..][..columns.len()];
                    write_part::<S, USED>(simd, target, sums, *store);
                }
            }
        }
    }
}

/// The products of one panel of each factor, summed over the steps in order.
#[inline(always)]
fn sums<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
) -> [[S::f32s; USED]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); USED]; ROWS];
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = S::as_simd_f32s(right);
    let (right, _) = right.as_chunks::<VECTORS>();
    let (left_blocks, left_rest) = left.as_chunks::<UNROLLED>();
    let (right_blocks, right_rest) = right.as_chunks::<UNROLLED>();
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for step in 0..UNROLLED {
            add_step::<S, ROWS, VECTORS, USED>(simd, &mut sums, &left[step], &right[step], add);
        }
    }
    for (left, right) in left_rest.iter().zip(right_rest) {
        add_step::<S, ROWS, VECTORS, USED>(simd, &mut sums, left, right, add);
    }
    sums
}

/// Adds the products of one step.
#[inline(always)]
fn add_step<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    sums: &mut [[S::f32s; USED]; ROWS],
    left: &[f32; ROWS],
    right: &[S::f32s; VECTORS],
    add: impl Fn(S::f32s, S::f32s, S::f32s) -> S::f32s + Copy,
) {
    for row in 0..ROWS {
        let left = simd.splat_f32s(left[row]);
        for vector in 0..USED {
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
