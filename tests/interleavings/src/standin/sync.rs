//! Shared state: loom's atomics, and a `watch` channel over loom's lock.

pub(crate) use crate::real::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::*;
}

pub(crate) mod watch {
    //! The promises of `tokio::sync::watch` that budgetd relies on: a value
    //! with a version; whoever waits is woken by the next version, or finds it.

    use crate::real::fmt;
    use crate::real::future::poll_fn;
    use crate::real::ops::Deref;
    use crate::real::sync::Arc;
    use crate::real::task::{Context, Poll, Waker};

    use loom::sync::{Mutex, MutexGuard};

    pub(crate) mod error {
        #[derive(Debug)]
        pub(crate) struct RecvError;
    }

    use error::RecvError;

    struct Inner<T> {
        value: T,
        version: u64,
        is_closed: bool,
        waiting: Vec<Waker>,
    }

    impl<T> Inner<T> {
        /// Who must be woken, once the lock is free again.
        fn change(&mut self) -> Vec<Waker> {
            self.version += 1;
            crate::real::mem::take(&mut self.waiting)
        }
    }

    type Shared<T> = Arc<Mutex<Inner<T>>>;

    fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, Inner<T>> {
        shared.lock().expect("no model panics with the lock held")
    }

    fn wake(waiting: Vec<Waker>) {
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Mutex::new(Inner {
            value,
            version: 0,
            is_closed: false,
            waiting: Vec::new(),
        }));
        let seen = 0;
        (Sender(shared.clone()), Receiver { shared, seen })
    }

    pub(crate) struct Sender<T>(Shared<T>);

    impl<T> Sender<T> {
        pub(crate) fn send_replace(&self, value: T) -> T {
            let mut before = None;
            self.send_modify(|now| before = Some(crate::real::mem::replace(now, value)));
            before.expect("it was called")
        }

        pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
            let waiting = {
                let mut inner = lock(&self.0);
                modify(&mut inner.value);
                inner.change()
            };
            wake(waiting);
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waiting = {
                let mut inner = lock(&self.0);
                inner.is_closed = true;
                crate::real::mem::take(&mut inner.waiting)
            };
            wake(waiting);
        }
    }

    pub(crate) struct Receiver<T> {
        shared: Shared<T>,
        seen: u64,
    }

    impl<T> Clone for Receiver<T> {
        fn clone(&self) -> Self {
            Self {
                shared: self.shared.clone(),
                seen: self.seen,
            }
        }
    }

    pub(crate) struct Ref<'a, T>(MutexGuard<'a, Inner<T>>);

    impl<T> Deref for Ref<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0.value
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn borrow(&self) -> Ref<'_, T> {
            Ref(lock(&self.shared))
        }

        pub(crate) fn mark_unchanged(&mut self) {
            self.seen = lock(&self.shared).version;
        }

        pub(crate) async fn changed(&mut self) -> Result<(), RecvError> {
            poll_fn(|cx| self.poll_changed(cx)).await
        }

        pub(crate) async fn wait_for(
            &mut self,
            mut condition: impl FnMut(&T) -> bool,
        ) -> Result<Ref<'_, T>, RecvError> {
            loop {
                let holds = {
                    let inner = lock(&self.shared);
                    self.seen = inner.version;
                    condition(&inner.value)
                };
                if holds {
                    return Ok(self.borrow());
                }
                self.changed().await?;
            }
        }

        fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
            let mut inner = lock(&self.shared);
            if inner.version != self.seen {
                self.seen = inner.version;
                return Poll::Ready(Ok(()));
            }
            if inner.is_closed {
                return Poll::Ready(Err(RecvError));
            }
            inner.waiting.push(cx.waker().clone());
            Poll::Pending
        }
    }

    macro_rules! opaque {
        ($name:ident) => {
            impl<T> fmt::Debug for $name<T> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(stringify!($name))
                }
            }
        };
    }

    opaque!(Sender);
    opaque!(Receiver);
}
