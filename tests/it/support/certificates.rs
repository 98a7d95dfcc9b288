//! Certificates for private servers.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use super::process::give_away;

/// A certificate authority of one's own.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "budgetd test authority");
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can sign itself");
        let folder = super::process::folder();
        std::fs::write(folder.path().join("root.pem"), issuer.pem()).expect("it is writable");
        Self { issuer, folder }
    }

    /// The file that a client trusts.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A certificate for a server of this name or address.
    pub(crate) fn certify(&self, name: &str) -> ServerCertificate {
        let params = CertificateParams::new([name.to_owned()]).expect("the name is legal");
        self.sign(&params)
    }

    /// The same, but its time was over long ago.
    pub(crate) fn certify_expired(&self, name: &str) -> ServerCertificate {
        let mut params = CertificateParams::new([name.to_owned()]).expect("the name is legal");
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> ServerCertificate {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.expect("it can sign");
        ServerCertificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            root: self.issuer.pem(),
        }
    }
}

/// What a server needs to speak TLS.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    certificate: String,
    key: String,
    root: String,
}

impl ServerCertificate {
    /// Writes `server.crt`, `server.key` and `root.crt` into a server's folder.
    pub(super) fn write(&self, folder: &Path) {
        for (name, content) in [
            ("server.crt", &self.certificate),
            ("server.key", &self.key),
            ("root.crt", &self.root),
        ] {
            use std::io::Write;
            use std::os::unix::fs::OpenOptionsExt;

            let path = folder.join(name);
            std::fs::File::options()
                .write(true)
                .create(true)
                .truncate(true)
                // Postgres refuses a key that others can read.
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(content.as_bytes()))
                .expect("the folder is writable");
            give_away(&path);
        }
    }
}
