//! TLS with rustls: what is trusted, and how a peer is verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::Stream;
use crate::dependency::{ErrorKind, Failure};

/// How a peer's certificate is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Not at all: the connection is encrypted, and whoever sits in its middle
    /// can read it (libpq's `require`).
    Nothing,
    /// It must be signed by a trusted root, for whatever name (`verify-ca`).
    Chain(Roots),
    /// It must be signed by a trusted root, for the name that was connected to
    /// (`verify-full`, and what every other protocol does).
    Name(Roots),
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of the machine.
    System,
    /// Those of a PEM file, which is read anew for each connection, so that it
    /// can be replaced under a running daemon.
    File(PathBuf),
}

/// A rustls configuration that verifies as told. It depends on no process-wide
/// default.
pub async fn client_config(verify: &Verify) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(ErrorKind::Tls, error.to_string()))?;
    let builder = match verify {
        Verify::Name(roots) => builder.with_root_certificates(load(roots).await?),
        Verify::Chain(roots) => {
            let roots = Some(load(roots).await?);
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName { roots, provider }))
        }
        Verify::Nothing => {
            let roots = None;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName { roots, provider }))
        }
    };
    let mut config = builder.with_no_client_auth();
    // A configuration serves one connection, or a pool that keeps its
    // connections: memory for tickets would be memory wasted.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Turns a plain stream into an encrypted one. `host` is the name that is
/// verified and asked for, or an address literal.
pub async fn handshake(
    stream: Stream,
    host: &str,
    config: ClientConfig,
) -> Result<Stream, Failure> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Failure::new(
            ErrorKind::Tls,
            format!("cannot verify a certificate for {host}: not a host name"),
        )
    })?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map(|stream| Stream::Tls(Box::new(stream)))
        .map_err(|error| super::failure(&error))
}

async fn load(roots: &Roots) -> Result<Arc<RootCertStore>, Failure> {
    match roots {
        Roots::System => system().await,
        Roots::File(path) => {
            let path = path.clone();
            blocking(move || from_file(&path)).await
        }
    }
}

/// The machine's roots are some hundred certificates: they are read once, when
/// first needed. A failure is not kept.
async fn system() -> Result<Arc<RootCertStore>, Failure> {
    static SYSTEM: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();
    SYSTEM
        .get_or_try_init(|| {
            blocking(|| {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(found.certs);
                if !roots.is_empty() {
                    return Ok(Arc::new(roots));
                }
                let reason = found.errors.first().map_or_else(
                    || "none are installed (on Debian `apt-get install ca-certificates`)".into(),
                    ToString::to_string,
                );
                Err(Failure::new(
                    ErrorKind::Tls,
                    format!("cannot load the system's trusted certificates: {reason}"),
                ))
            })
        })
        .await
        .cloned()
}

fn from_file(path: &Path) -> Result<Arc<RootCertStore>, Failure> {
    let cannot = |reason: &str| {
        let path = path.display();
        Failure::new(
            ErrorKind::Tls,
            format!("cannot load the trusted certificates of {path}: {reason}"),
        )
    };
    let pem = std::fs::read(path).map_err(|error| cannot(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| cannot(&error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| cannot(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(cannot("it holds no PEM certificate"));
    }
    Ok(Arc::new(roots))
}

/// Reads files without holding up the tasks of this thread.
async fn blocking(
    work: impl FnOnce() -> Result<Arc<RootCertStore>, Failure> + Send + 'static,
) -> Result<Arc<RootCertStore>, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Failure::new(
                ErrorKind::Tls,
                format!("cannot load trusted certificates: {error}"),
            ))
        })
}

/// Looks at the chain alone, or, without roots, at nothing. Either way the
/// peer has to prove that it holds the key of the certificate it shows.
#[derive(Debug)]
struct AnyName {
    roots: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
