//! Unpacks the parts of Swagger UI that `/docs` shows, so that they can be
//! embedded: the browser's script and style, of a dozen builds and copies.

use std::error::Error;
use std::fs::File;
use std::io::{Cursor, Write as _, copy};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        // The folder above names the version.
        let wanted = format!("/dist/{file}");
        let mut names = archive.file_names().filter_map(Result::ok);
        let name = names.find(|name| name.ends_with(&wanted));
        let name = name.ok_or_else(|| format!("Swagger UI came without {wanted}"))?;
        let name = name.into_owned();
        drop(names);
        let packed = File::create(folder.join(format!("{file}.gz")))?;
        let mut encoder = GzEncoder::new(packed, Compression::best());
        copy(&mut archive.by_name(&name)?, &mut encoder)?;
        encoder.finish()?.flush()?;
    }
    Ok(())
}
