//! Which device computes: the only file that names backends.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
use burn::tensor::DeviceType;
use burn::tensor::{DType, Device};
use temper_model::{Config, instruction_set};
use temper_recipe::{GradientSum, Precision, Training};

use crate::fit::model_precision;

/// The device that `name` asks for: `cpu`, `cuda:N`, `wgpu:N` or `vulkan:N`.
///
/// # Errors
/// A device that this binary was built without, or that the machine does not have.
pub(crate) fn open(name: &str) -> Result<Device> {
    let (kind, index) = parse(name)?;
    match kind {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => nth(name, DeviceType::Cuda, index),
        #[cfg(feature = "wgpu")]
        "wgpu" => nth(name, DeviceType::Wgpu, index),
        #[cfg(feature = "vulkan")]
        "vulkan" => nth(name, DeviceType::Vulkan, index),
        _ => bail!(
            "device `{name}`: number {index} of {kind} is not in this binary (it has: {})\n\n\
             hint: rebuild with `--features {kind}`, or use `--device cpu`",
            built_in().join(", ")
        ),
    }
}

/// Kind and number of a device that this binary could open.
///
/// # Errors
/// A name that means nothing here; whether the machine has the device is not asked.
fn parse(name: &str) -> Result<(&str, usize)> {
    if name.contains(',') {
        bail!(
            "device `{name}`: found a list, expected one device\n\nhint: only training spreads over several"
        );
    }
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            let index = index.parse().with_context(|| {
                let hint = "hint: devices of a kind are counted from 0, as in `cuda:0`";
                format!("device `{name}`: found `{index}`, expected a device number\n\n{hint}")
            })?;
            (kind, index)
        }
        None => (name, 0),
    };
    if ["cuda", "wgpu", "vulkan"].contains(&kind) && !built_in().contains(&kind) {
        bail!(
            "device `{name}`: this binary was built without {kind} (it has: {})\n\n\
             hint: rebuild with `--features {kind}`, or use `--device cpu`",
            built_in().join(", ")
        );
    }
    match kind {
        "cpu" if index > 0 => {
            bail!("device `{name}`: there is one CPU device\n\nhint: use `--device cpu`")
        }
        "cpu" | "cuda" | "wgpu" | "vulkan" => Ok((kind, index)),
        _ => bail!(
            "device `{name}` is unknown; expected cpu, cuda:N, wgpu:N or vulkan:N\n\n\
             hint: this binary has {}",
            built_in().join(", ")
        ),
    }
}

/// Refuses a list of devices that means nothing here, without opening any.
pub(crate) fn check_names(names: &str) -> Result<()> {
    names.split(',').try_for_each(|name| parse(name).map(|_| ()))
}

/// What runs the first device of a list, or a device of this kind.
pub(crate) fn backend(names: &str) -> &str {
    names.split([':', ',', '/']).next().unwrap_or(names)
}

/// Whether a device of this name is the CPU.
pub(crate) fn is_cpu(name: &str) -> bool {
    backend(name) == "cpu"
}

/// Refuses what a recipe asks of devices that they, or the pass for this model, cannot do: a precision, or
/// a collective sum.
///
/// The CPU has all precisions: bfloat16 is rounded to where the processor has no instructions for it.
pub(crate) fn refuse_training(
    names: &str,
    device: &Device,
    training: &Training,
    config: &Config,
) -> Result<()> {
    refuse_collective(names, training.gradient_sum)?;
    let precision = training.precision;
    if !model_precision(precision).is_computed_for(config) {
        bail!(
            "training.precision: found `bf16`, which is computed for models like Llama and Qwen, not for this {:?} yet; \
             expected `f32`\n\nhint: say `precision = \"f32\"`",
            config.family
        );
    }
    if precision == Precision::Bf16 && !is_cpu(names) && !device.supports_dtype(DType::BF16) {
        bail!(
            "training.precision: found `bf16`, which device `{names}` does not compute in; expected `f32`\n\n\
             hint: say `precision = \"f32\"`, or use a device that has it, such as cuda"
        );
    }
    Ok(())
}

/// Collective operations are NCCL's, between different devices.
fn refuse_collective(names: &str, gradient_sum: GradientSum) -> Result<()> {
    let listed: Vec<&str> = names.split(',').collect();
    if gradient_sum == GradientSum::Tree || listed.len() == 1 {
        return Ok(());
    }
    let different: BTreeSet<(&str, usize)> =
        listed.iter().map(|name| parse(name)).collect::<Result<_>>()?;
    if backend(names) != "cuda" || different.len() < listed.len() {
        bail!(
            "training.gradient_sum: found `collective` for devices `{names}`, expected different CUDA devices, \
             which have collective operations\n\nhint: say `gradient_sum = \"tree\"`, or `--device cuda:0,cuda:1`"
        );
    }
    Ok(())
}

/// The devices of a list like `cuda:0,cuda:1`, which share the lanes of a step; `cpu,cpu` is two
/// workers on the CPU.
///
/// # Errors
/// As [`open`], and devices of different kinds: they would round differently.
pub(crate) fn open_all(names: &str) -> Result<Vec<Device>> {
    let devices = names.split(',').map(open).collect::<Result<Vec<_>>>()?;
    let kinds = names.split(',').zip(&devices).map(|(name, device)| kind(name, device));
    let kinds: Vec<String> = kinds.collect();
    if let Some(other) = kinds.iter().find(|kind| **kind != kinds[0]) {
        bail!(
            "device `{names}`: found `{}` and `{other}`, expected devices of one kind\n\n\
             hint: name devices that are alike",
            kinds[0]
        );
    }
    Ok(devices)
}

/// The backends in this binary.
pub(crate) fn built_in() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    names.extend(cfg!(feature = "cuda").then_some("cuda"));
    names.extend(cfg!(feature = "wgpu").then_some("wgpu"));
    names.extend(cfg!(feature = "vulkan").then_some("vulkan"));
    names
}

/// What a bitwise resume depends on: backend, device, instruction set.
pub(crate) fn kind(name: &str, device: &Device) -> String {
    let backend = backend(name);
    if backend == "cpu" {
        // The number tells the kernels apart: another one rounds otherwise.
        return format!("cpu/4/{}/{}", std::env::consts::ARCH, instruction_set());
    }
    format!("{backend}/{}", part(device))
}

/// The device as it names itself, with what its kernels are compiled for.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn part(device: &Device) -> String {
    let identity = device.identity();
    identity.map_or("unknown".to_owned(), |part| format!("{}/{}", part.name, part.fingerprint))
}

#[cfg(not(any(feature = "cuda", feature = "wgpu", feature = "vulkan")))]
fn part(_: &Device) -> String {
    "unknown".to_owned()
}

/// Asks for the list first: a burn device is lazy, and one that is not there fails at its first use.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn nth(name: &str, kind: DeviceType, index: usize) -> Result<Device> {
    // A missing driver library panics inside the runtime; the user gets the same answer as for a missing device.
    let devices =
        std::panic::catch_unwind(|| Device::enumerate(kind).into_vec()).unwrap_or_default();
    let found = devices.len();
    devices.into_iter().nth(index).with_context(|| {
        format!(
            "device `{name}`: this machine has {found} such device(s)\n\n\
             hint: check the driver, or use `--device cpu`"
        )
    })
}

/// Instruction sets of this processor that change how floats round.
pub(crate) fn cpu_flags() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let flags = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let flags: [(&str, bool); 0] = [];
    flags.iter().filter(|(_, there)| *there).map(|(name, _)| (*name).to_owned()).collect()
}
