//! The starting model beside the one that is trained, up to its head.

use super::{Pass, head::Head, pull::Pull};
use crate::{
    PackedRows,
    cpu::{buffer::Buffer, gemm::Packed},
    pass::{Near, PassOptions},
};

/// What the starting model makes of the rows whose divergence counts.
pub(super) struct Beside<'a> {
    pass: Pass<'a>,
    /// The input of its head, `[n, hidden]`.
    x: Buffer,
    /// For each supervised position of the pass beside it: its row of `x`, and how much it counts.
    counted: Vec<(usize, f32)>,
}

impl<'a> Beside<'a> {
    /// `None` where no position counts.
    pub(super) fn new(
        trained: &Pass<'_>,
        rows: &PackedRows,
        near: &Near<'a>,
        options: &PassOptions,
    ) -> Option<Self> {
        let length = rows.length;
        let (rows, numbers) = near.rows(rows);
        if numbers.is_empty() {
            return None;
        }
        let pass = Pass::new(near.starting, &rows, options);
        let x = pass.last();
        // Both passes meet the positions of a row in the same order.
        let mut own = pass.places.iter().zip(&pass.supervised).peekable();
        let counted = trained.places.iter().map(|place| {
            let here =
                own.next_if(|(at, _)| numbers[**at / length] * length + **at % length == *place);
            here.map_or((0, 0.0), |(_, row)| (*row, near.factors[*place]))
        });
        let counted = counted.collect();
        Some(Self { pass, x, counted })
    }

    /// Its head.
    pub(super) fn head(&self, options: &PassOptions) -> Head<'_> {
        self.pass.head(&self.x, options)
    }

    /// What the head of the pass beside it needs.
    pub(super) fn pull<'b>(&'b self, head: &'b Head<'b>, table: &'b Packed) -> Pull<'b> {
        Pull { head, table, counted: &self.counted }
    }
}
