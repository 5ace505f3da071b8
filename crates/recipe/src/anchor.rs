//! What holds the weights, or what the model says, near the start.

use serde::{Deserialize, Serialize};

use crate::project_file::ProjectFile;
use crate::schedule::is_zero;

/// Terms that are added to the objective of every step; w₀ are the starting weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// α: α / 2 · ‖w − w₀‖² is added (L2-SP; Li et al. 2018, arXiv 1802.01483). 0 adds nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub l2: f64,
    /// λ: λ / 2 · Σ F (w − w₀)² is added, F being the diagonal of the Fisher information of curated rows
    /// (EWC; Kirkpatrick et al. 2017, arXiv 1612.00796). 0 adds nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ewc: f64,
    /// κ: to the loss of each token of curated rows κ · KL(p₀ ‖ p) is added, the divergence from what the starting
    /// model says comes next (Li and Hoiem 2016, arXiv 1606.09282). 0 adds nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kl: f64,
    /// Rows that F is measured on, at most: the first that the run draws from `sources`. 0 without `ewc`, and where
    /// `fisher` says what F is.
    #[serde(default, skip_serializing_if = "is_none")]
    pub fisher_rows: usize,
    /// Corpora of the curated rows; empty where no term looks at rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// F, as another run measured it; `None` measures it on rows before step 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fisher: Option<ProjectFile>,
}

impl Anchor {
    /// Where a run keeps F, in its directory.
    pub const FISHER: &'static str = "anchor/fisher.safetensors";

    /// Whether F is measured on rows.
    pub(crate) fn measures(&self) -> bool {
        self.ewc > 0.0 && self.fisher.is_none()
    }

    /// Whether a term looks at rows of `sources`.
    pub(crate) fn looks_at_rows(&self) -> bool {
        self.measures() || self.kl > 0.0
    }
}

fn is_none(rows: &usize) -> bool {
    *rows == 0
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnchorFile {
    pub(crate) l2: Option<f64>,
    pub(crate) ewc: Option<f64>,
    pub(crate) kl: Option<f64>,
    pub(crate) fisher_rows: Option<usize>,
    pub(crate) sources: Option<Vec<String>>,
    pub(crate) fisher: Option<String>,
}
