//! What the contract and WASI have to import, read from `wit/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use wit_parser::{
    Function, Handle, Resolve, SourceMap, Type, TypeDefKind, TypeId, UnresolvedPackageGroup, WorldItem,
};

/// A function that a plugin can import.
pub(crate) struct Import {
    /// The resource that it is a method of: "wasi:sockets/tcp#tcp-socket".
    pub(crate) of: Option<String>,
    /// The resources that its result can give.
    pub(crate) gives: BTreeSet<String>,
}

/// Every function of every interface that a world in `wit/` imports, by its name
/// (`wasi:sockets/tcp#[method]tcp-socket.accept`). What no world imports is there to be exported.
pub(crate) fn imports() -> BTreeMap<String, Import> {
    let resolve = contract().expect("a contract");
    let mut imports = BTreeMap::new();
    for (_, world) in &resolve.worlds {
        for (key, item) in &world.imports {
            match item {
                WorldItem::Interface { id, .. } => {
                    let name = resolve.id_of(*id).expect("an interface with a name");
                    let interface = unversioned(&name);
                    for function in resolve.interfaces[*id].functions.values() {
                        imports.insert(format!("{interface}#{}", function.name), import(&resolve, function));
                    }
                }
                WorldItem::Function(function) => {
                    imports.insert(format!("{}#{}", world.name, function.name), import(&resolve, function));
                }
                WorldItem::Type { .. } => panic!("a type by itself: {key:?}"),
            }
        }
    }
    imports
}

/// The packages in `wit/`. They are read here, since the parser's own reading needs a feature that would have `cargo run` and
/// `cargo test` build the sandbox each for itself.
fn contract() -> io::Result<Resolve> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let package = package(&files(&wit)?)?;
    let used = files(&wit.join("deps"))?.into_iter().map(|file| self::package(&[file]));
    let mut resolve = Resolve::default();
    let pushed = resolve.push_groups(package, used.collect::<io::Result<_>>()?);
    pushed.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(resolve)
}

fn package(files: &[PathBuf]) -> io::Result<UnresolvedPackageGroup> {
    let mut sources = SourceMap::default();
    for file in files {
        sources.push_str(&file.display().to_string(), fs::read_to_string(file)?);
    }
    sources.parse().map_err(|(_, error)| io::Error::other(error.to_string()))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn unversioned(name: &str) -> String {
    name.split('@').next().unwrap_or_default().to_owned()
}

fn import(resolve: &Resolve, function: &Function) -> Import {
    let mut gives = BTreeSet::new();
    if let Some(result) = &function.result {
        owned(resolve, result, &mut gives);
    }
    let of = function.kind.resource().map(|id| resource(resolve, id));
    Import { of, gives }
}

/// The resources that a value of a type brings.
fn owned(resolve: &Resolve, ty: &Type, found: &mut BTreeSet<String>) {
    let Type::Id(id) = ty else { return };
    let parts: Vec<Type> = match &resolve.types[*id].kind {
        TypeDefKind::Handle(Handle::Own(id)) => {
            found.insert(resource(resolve, *id));
            return;
        }
        TypeDefKind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty).collect(),
        TypeDefKind::Result(result) => result.ok.into_iter().chain(result.err).collect(),
        TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => vec![*ty],
        TypeDefKind::Enum(_) | TypeDefKind::Flags(_) => Vec::new(),
        other => panic!("this test does not know a type of the contract: {other:?}"),
    };
    parts.iter().for_each(|part| owned(resolve, part, found));
}

/// The name of a resource where it is defined, whatever it is called where it is used.
fn resource(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    match (&definition.kind, definition.owner) {
        (TypeDefKind::Type(Type::Id(original)), _) => resource(resolve, *original),
        (_, wit_parser::TypeOwner::Interface(interface)) => {
            let interface = resolve.id_of(interface).unwrap_or_default();
            format!("{}#{}", unversioned(&interface), definition.name.as_deref().unwrap_or_default())
        }
        (kind, owner) => panic!("a resource of nothing: {kind:?} {owner:?}"),
    }
}
