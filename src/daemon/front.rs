//! stub
use super::*;
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) api: String,
    pub(super) admin: Option<String>,
}
pub(super) struct Front {
    addresses: Addresses,
}
pub(super) struct Api;
pub(super) struct Cut(String);
impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
pub(super) struct Outcome {
    pub(super) cut: Vec<Cut>,
}
pub(super) struct Parts<'a> {
    pub(super) config: &'a Arc<ArcSwap<Config>>,
    pub(super) health: &'a Reader,
    pub(super) phase: &'a shutdown::PhaseReader,
    pub(super) supervisor: &'a supervisor::Handle,
    pub(super) telemetry: &'a Telemetry,
    pub(super) helpers: &'a mut JoinSet<()>,
}
impl Front {
    pub(super) async fn open(_: Parts<'_>) -> Result<(Self, Api), String> {
        Ok((
            Self {
                addresses: Addresses::default(),
            },
            Api,
        ))
    }
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }
    pub(super) fn reconfigure(&self, _: &Config) {}
    pub(super) async fn close(&mut self) {}
}
impl Api {
    pub(super) fn listen(&mut self, _: &Front) -> Result<(), String> {
        Ok(())
    }
    pub(super) fn stop_accepting(&mut self) {}
    pub(super) fn cut(&mut self) {}
    pub(super) async fn ended(&mut self) -> Option<Outcome> {
        None
    }
}
