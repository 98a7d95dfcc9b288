//! The servers that rows share: some are well, and the others are so for good
//! as a fault has it. A row's proxy leads to the one and then to the other.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use hyper::Method;

use super::axes::{Dependency, Fault};
use super::case::Case;
use crate::support::caller::Caller;
use crate::support::{DaemonOptions, Postgres};

mod shop;

use shop::{Authorities, Shop};

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stand {
    Well,
    /// It wants [`PASSWORD`].
    Password,
    OtherPassword,
    WithoutDatabase,
    Starting,
    Recovery,
    ReadOnly,
    Full,
    /// It speaks TLS.
    Tls,
    WrongName,
    Expired,
    UnknownAuthority,
}

pub(super) const PASSWORD: &str = "sesame-4711";

/// How a server is before and under a fault.
pub(super) fn stands(fault: Fault) -> (Stand, Stand) {
    match fault {
        Fault::WrongPassword => (Stand::Password, Stand::OtherPassword),
        Fault::UnknownDatabase => (Stand::Well, Stand::WithoutDatabase),
        Fault::Starting => (Stand::Well, Stand::Starting),
        Fault::Recovery => (Stand::Well, Stand::Recovery),
        Fault::ReadOnly => (Stand::Well, Stand::ReadOnly),
        Fault::Full => (Stand::Well, Stand::Full),
        Fault::WrongName => (Stand::Tls, Stand::WrongName),
        Fault::Expired => (Stand::Tls, Stand::Expired),
        Fault::UnknownAuthority => (Stand::Tls, Stand::UnknownAuthority),
        _ => (Stand::Well, Stand::Well),
    }
}

/// All that rows share. It may be looked at from every thread.
#[derive(Debug)]
pub(super) struct Servers {
    ports: BTreeMap<(Dependency, Stand), u16>,
    root: PathBuf,
    data: PathBuf,
    version: String,
}

/// What must live as long as they are used.
pub(super) struct Alive(#[expect(dead_code, reason = "it is only held")] Vec<Box<dyn Any>>);

impl Servers {
    /// Starts what some rows need.
    pub(super) async fn start(cases: &[Case]) -> (Self, Alive) {
        let authorities = Authorities::new();
        let (budget, version) = budget().await;
        let mut needed: BTreeSet<(Dependency, Stand)> = cases
            .iter()
            .flat_map(|case| {
                let (before, under) = stands(case.fault);
                [(case.dependency, before), (case.dependency, under)]
            })
            .collect();
        // Who works under load reads the budget from the one; what holds a gate
        // or a reload up is the other.
        needed.insert((Dependency::Postgres, Stand::Well));
        needed.insert((Dependency::Http, Stand::Well));
        let data = budget.data();
        let shop = Shop {
            data: &data,
            authorities: &authorities,
        };
        let started = needed.into_iter().map(async |(dependency, stand)| {
            ((dependency, stand), shop.start(dependency, stand).await)
        });
        let (mut ports, mut alive) = (BTreeMap::new(), Vec::<Box<dyn Any>>::new());
        for (key, (port, server)) in join_all(started).await {
            ports.insert(key, port);
            alive.push(server);
        }
        let root = authorities.known.root();
        alive.push(Box::new((authorities, budget)));
        let servers = Self {
            ports,
            root,
            data,
            version,
        };
        (servers, Alive(alive))
    }

    pub(super) fn port(&self, dependency: Dependency, stand: Stand) -> u16 {
        self.ports[&(dependency, stand)]
    }

    /// The file of the authority that daemons trust.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The data of a database with a budget in it, to be copied.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// A path below `/api/v1` that reads the budget.
    pub(super) fn summary(&self) -> String {
        format!("/consolidation/{}/summary", self.version)
    }
}

/// A database with a budget, made through the daemon and stopped; and its
/// version.
async fn budget() -> (Postgres, String) {
    let mut postgres = Postgres::start().await;
    let daemon = DaemonOptions::default()
        .tokens()
        .database(&postgres.url())
        .serve()
        .await;
    let manager = Caller::new(&daemon, "manager");
    let version = manager.create("Budget", 2026).await;
    let id = version["id"].as_str().expect("it has one").to_owned();
    let csv = include_str!("../../../examples/budget.csv");
    let loaded = manager
        .post_csv(&format!("/budget-versions/{id}/lines"), csv)
        .await;
    assert!(loaded.code < 300, "{}", loaded.body);
    let summary = manager
        .try_send(Method::GET, &format!("/consolidation/{id}/summary"), "")
        .await;
    assert_eq!(summary.expect("an answer").code, 200);
    drop(daemon);
    postgres.stop().await;
    (postgres, id)
}
