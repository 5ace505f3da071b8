//! The weights of an adapter, and their merging.

use std::{collections::BTreeMap, ops::Range, path::Path};

use rayon::prelude::*;

use super::config::AdapterConfig;
use super::targets::is_last;
use crate::{
    Config, Error,
    hf::{foreign, json::short, weights::Weights},
    names::{Field, Stored},
};

const WEIGHTS: &str = "adapter_model.safetensors";

/// An open adapter that fits its base.
#[derive(Debug)]
pub(in crate::hf) struct Lora {
    weights: Weights,
    /// By the name of the base's tensor.
    products: BTreeMap<String, Product>,
    /// The names in the adapter's file of tensors that replace the base's.
    replaced: BTreeMap<String, String>,
    /// The factors that were read last: a tensor may be asked for in many pieces.
    factors: Option<(String, Factors)>,
}

/// The two factors of a change, by their names in the adapter's file.
#[derive(Debug)]
struct Product {
    a: String,
    b: String,
    scale: f32,
    rank: usize,
    /// The base's shape, `[out, in]`.
    shape: [usize; 2],
    /// An embedding's factors are those of its transpose.
    is_embedding: bool,
}

/// `[out, rank]` and `[rank, in]`.
#[derive(Debug)]
struct Factors {
    left: Vec<f32>,
    right: Vec<f32>,
}

/// What one module of the base gets.
#[derive(Debug, Default)]
struct Found {
    a: Option<String>,
    b: Option<String>,
    whole: Option<String>,
}

impl Lora {
    /// Opens an adapter and checks it against the tensors of its base.
    ///
    /// # Errors
    ///
    /// [`Error::Adapter`] naming the module or the tensor that does not fit.
    pub(in crate::hf) fn open(
        folder: &Path,
        base: &Config,
        tensors: &[Stored],
    ) -> Result<Self, Error> {
        let config = AdapterConfig::read(folder)?;
        let path = folder.join(WEIGHTS);
        if !path.is_file() {
            return Err(foreign::refusal(folder)
                .unwrap_or_else(|| Error::NoWeights { path: folder.into() }));
        }
        let weights = Weights::of_file(&path)?;
        let mut found = find(&config, &weights)?;
        let mut lora =
            Self { products: BTreeMap::new(), replaced: BTreeMap::new(), factors: None, weights };
        for tensor in tensors {
            let module = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
            let there = found.remove(&tensor.name).unwrap_or_default();
            let is_saved = config.modules_to_save.iter().any(|name| is_last(module, name));
            let is_matrix = module != tensor.name && tensor.shape(base).len() == 2;
            let is_target = is_matrix && !is_saved && config.targets.contain(module);
            let refuse = |found: &str, expected: &str| {
                Err(config.refuse(&format!("module `{module}`"), found, expected))
            };
            if is_saved && there.whole.is_none() {
                return refuse("without weights", "those that `modules_to_save` announces");
            }
            lora.replaced.extend(there.whole.map(|whole| (tensor.name.clone(), whole)));
            match (there.a, there.b) {
                (Some(a), Some(b)) if is_target => {
                    let product = lora.product(&config, tensor, module, base, a, b)?;
                    lora.products.insert(tensor.name.clone(), product);
                }
                (None, None) if !is_target => {}
                (None, None) => {
                    return refuse("without factors", "those that `target_modules` announces");
                }
                (Some(_), Some(_)) => {
                    return refuse("with factors", "a module that `target_modules` names");
                }
                _ => return refuse("with one factor", "two, `lora_A` and `lora_B`"),
            }
        }
        lora.check_tied(&config, base, tensors, &mut found)?;
        if let Some(tensor) = found.keys().next() {
            let subject = format!("a change of `{}`", short(tensor));
            return Err(config.refuse(&subject, "there", "changes of the base's tensors only"));
        }
        lora.check_shapes(&config, base, tensors)?;
        Ok(lora)
    }

    /// Refuses what would set an output matrix apart from the embedding that it is tied to.
    fn check_tied(
        &mut self,
        config: &AdapterConfig,
        base: &Config,
        tensors: &[Stored],
        found: &mut BTreeMap<String, Found>,
    ) -> Result<(), Error> {
        let embedding = tensors.iter().find(|tensor| tensor.fields == [Field::Embedding]);
        let Some(Stored { name, .. }) = embedding.filter(|_| base.tie_word_embeddings) else {
            return Ok(());
        };
        let refuse = |what: &str| {
            let expected = "the same change of the output matrix, which is tied to it";
            Err(config.refuse("the change of the embedding", what, expected))
        };
        if self.products.contains_key(name) && !config.ensure_weight_tying {
            return refuse("a product");
        }
        let Some(embedding) = self.replaced.get(name) else { return Ok(()) };
        let head = found.get("lm_head.weight").filter(|head| head.a.is_none() && head.b.is_none());
        match head.and_then(|head| head.whole.as_ref()) {
            Some(head) if self.weights.is_equal(head, embedding)? => {
                found.remove("lm_head.weight");
                Ok(())
            }
            Some(_) => refuse("other than that of the output matrix"),
            None if config.ensure_weight_tying => Ok(()),
            None => refuse("without one of the output matrix"),
        }
    }

    fn product(
        &self,
        config: &AdapterConfig,
        tensor: &Stored,
        module: &str,
        base: &Config,
        a: String,
        b: String,
    ) -> Result<Product, Error> {
        let shape = tensor.shape(base);
        let [out, input] = [shape[0], shape[1]];
        let rank = config.rank(module);
        let is_embedding = tensor.fields == [Field::Embedding];
        let expected = match is_embedding {
            false => [[rank, input], [out, rank]],
            true => [[rank, out], [input, rank]],
        };
        for (name, expected) in [&a, &b].into_iter().zip(expected) {
            let found = self.weights.shape(name).unwrap_or_default();
            if found != expected {
                let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
                return Err(config.refuse(&format!("the shape of `{name}`"), &found, &expected));
            }
        }
        let scale = config.scale(module);
        if !scale.is_finite() {
            let subject = format!("the scale of `{module}`");
            return Err(config.refuse(&subject, &scale.to_string(), "a finite number"));
        }
        Ok(Product { a, b, scale: scale as f32, rank, shape: [out, input], is_embedding })
    }

    fn check_shapes(
        &self,
        config: &AdapterConfig,
        base: &Config,
        tensors: &[Stored],
    ) -> Result<(), Error> {
        for tensor in tensors {
            let Some(name) = self.replaced.get(&tensor.name) else { continue };
            let (found, expected) = (self.weights.shape(name), tensor.shape(base));
            if found != Some(&expected) {
                let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
                return Err(config.refuse(&format!("the shape of `{name}`"), &found, &expected));
            }
        }
        Ok(())
    }

    /// Whether a tensor of the base is not used, because the adapter brings another.
    pub(in crate::hf) fn replaces(&self, tensor: &str) -> bool {
        self.replaced.contains_key(tensor)
    }

    /// Whether a tensor is other than the base's.
    pub(in crate::hf) fn changes(&self, tensor: &str) -> bool {
        self.replaces(tensor) || self.products.contains_key(tensor)
    }

    /// The values that count in the place of the base's.
    pub(in crate::hf) fn replacement(
        &mut self,
        tensor: &str,
        values: Range<usize>,
    ) -> Result<Option<Vec<f32>>, Error> {
        let Some(name) = self.replaced.get(tensor) else { return Ok(None) };
        self.weights.read(name, values).map(Some)
    }

    /// Adds the change to whole rows of a tensor, of which `first` is the first value.
    pub(in crate::hf) fn merge(
        &mut self,
        tensor: &str,
        first: usize,
        values: &mut [f32],
    ) -> Result<(), Error> {
        let Some(product) = self.products.get(tensor) else { return Ok(()) };
        if self.factors.as_ref().is_none_or(|(name, _)| name != tensor) {
            // Those of the tensor before are not needed any more, and need not be held meanwhile.
            self.factors = None;
            self.factors = Some((tensor.into(), product.read(&mut self.weights)?));
        }
        let Some((_, factors)) = &self.factors else { return Ok(()) };
        let [_, width] = product.shape;
        let left = &factors.left[first / width * product.rank..];
        let rows = values.par_chunks_mut(width).zip(left.par_chunks(product.rank));
        let change = || vec![0.0_f32; width];
        rows.for_each_init(change, |change, (row, left)| {
            change.fill(0.0);
            for (factor, right) in left.iter().zip(factors.right.chunks(width)) {
                change.iter_mut().zip(right).for_each(|(sum, right)| *sum += factor * right);
            }
            row.iter_mut().zip(&*change).for_each(|(value, sum)| *value += product.scale * sum);
        });
        Ok(())
    }
}

impl Product {
    fn read(&self, weights: &mut Weights) -> Result<Factors, Error> {
        let [out, input] = self.shape;
        if self.is_embedding {
            let left = weights.read(&self.a, 0..self.rank * out)?;
            let right = weights.read(&self.b, 0..input * self.rank)?;
            Ok(Factors { left: transposed(&left, out), right: transposed(&right, self.rank) })
        } else {
            let right = weights.read(&self.a, 0..self.rank * input)?;
            let left = weights.read(&self.b, 0..out * self.rank)?;
            Ok(Factors { left, right })
        }
    }
}

/// The transpose of a matrix whose rows have this width.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
}

/// Sorts the tensors of the file by the tensors of the base that they change.
fn find(config: &AdapterConfig, weights: &Weights) -> Result<BTreeMap<String, Found>, Error> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for name in weights.names() {
        let Some(within) = name.strip_prefix("base_model.model.") else {
            let subject = format!("tensor `{}`", short(name));
            return Err(config.refuse(
                &subject,
                "there",
                "names that begin with `base_model.model.`",
            ));
        };
        let ends = [
            (".lora_A.weight", true),
            (".lora_B.weight", false),
            (".lora_embedding_A", true),
            (".lora_embedding_B", false),
        ];
        let factor = ends.iter().find_map(|(end, is_a)| Some((within.strip_suffix(end)?, is_a)));
        if let Some((module, is_a)) = factor {
            let there = found.entry(format!("{module}.weight")).or_default();
            let place = if *is_a { &mut there.a } else { &mut there.b };
            *place = Some(name.into());
            continue;
        }
        if within.contains(".lora_") {
            let subject = format!("tensor `{}`", short(name));
            return Err(config.refuse(&subject, "there", "factors `lora_A` and `lora_B` only"));
        }
        let base = within.replace(".modules_to_save.", ".").replace(".base_layer.", ".");
        found.entry(base).or_default().whole = Some(name.into());
    }
    Ok(found)
}
