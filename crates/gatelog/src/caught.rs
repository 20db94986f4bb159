//! Panics as errors: what reads the journal goes on after one, and says so.
//!
//! **Shape.** A thread that ends in a panic ends unseen: how its store or output is would stay as it
//! was. The threads that read the journal catch it, tell it as any other error, and begin again from
//! what is known to be done.

use std::any::Any;
use std::future::{self, Future};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs it. What it works with has to be put right by the caller if it panics.
///
/// # Errors
/// That it panicked, and with what words.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| words(&*panic))
}

/// Awaits it, as [`caught`].
///
/// # Errors
/// As there.
pub async fn caught_async<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    future::poll_fn(|context| match caught(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", said.unwrap_or("without words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        assert_eq!(caught(|| 1), Ok(1));
        let number = 3;
        let panicked = caught(|| panic!("number {number}"));
        assert_eq!(panicked, Err::<(), _>("it panicked: number 3".to_owned()));
        let panicked = caught(|| std::panic::panic_any(7));
        assert_eq!(
            panicked,
            Err::<(), _>("it panicked: without words".to_owned())
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let panicked = runtime.unwrap().block_on(caught_async(async {
            tokio::task::yield_now().await;
            panic!("later");
        }));
        assert_eq!(panicked, Err::<(), _>("it panicked: later".to_owned()));
    }
}
