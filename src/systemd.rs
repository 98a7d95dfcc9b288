//! The service manager's notification protocol, `sd_notify(3)`.
//!
//! Without `$NOTIFY_SOCKET` nothing is sent and nothing is missed.

use sd_notify::NotifyState;

/// The API listener accepts connections.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Shutdown has begun; the manager's stop timeout starts to run.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(
            event = "systemd_notify_failed",
            error = %error,
            "cannot notify the service manager: {error}"
        );
    }
}
