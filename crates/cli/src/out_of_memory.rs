//! A device without memory left: the runtime panics, and the user gets an error with a way out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Result, bail};

/// Does `work` on a device, `whose` memory it is. A panic for lack of memory becomes an error; any other goes on.
///
/// What the work has written by then is whole: files are renamed into place.
pub(crate) fn named<T>(whose: &str, work: impl FnOnce() -> T) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Ok(done),
        Err(panic) if is_lack_of_memory(message(&*panic)) => bail!(
            "{whose}: found no memory left, expected room for weights, gradients, moments and activations \
             (`temper plan` says how much)\n\n\
             hint: say `training.memory = \"40GB\"`, with what the device has free: it picks rows and activation \
             checkpointing that fit; a run that has begun keeps its choice, so start a new one. Where nothing is \
             trained, ask for fewer samples"
        ),
        Err(panic) => resume_unwind(panic),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// The runtimes have no common error; these are the words of CUDA's, Vulkan's and wgpu's.
fn is_lack_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    const WORDS: [&str; 8] = [
        "outofmemory",
        "out_of_memory",
        "out of memory",
        "out-of-memory",
        "out of device memory",
        "can't allocate buffer",
        "buffertoobig",
        "memory exhausted",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_memory_is_an_error() {
        for words in [
            "OutOfMemory { size: 12 }",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "Out of memory",
            "out of device memory allocating 12 bytes",
            "can't allocate buffer of size: 12",
            "An out-of-memory error happened during launch",
        ] {
            let found = named::<()>("device `cuda`", || panic!("a server stopped: {words}"));
            let message = found.unwrap_err().to_string();
            assert!(message.contains("training.memory"), "{message}");
        }
        assert_eq!(named("device `cuda`", || 5).unwrap(), 5);
    }

    #[test]
    #[should_panic(expected = "an index")]
    fn other_panics_go_on() {
        let _ = named::<()>("device `cuda`", || panic!("an index is out of bounds"));
    }
}
