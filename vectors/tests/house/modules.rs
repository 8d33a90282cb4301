//! Reads the source of a crate: its modules, and which module uses which, outside tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};

/// A module by its path from the crate's root; the root is empty.
pub(crate) type ModulePath = Vec<String>;

/// A crate's modules as they are written, without tests.
pub(crate) struct Source {
    modules: BTreeMap<ModulePath, Module>,
}

/// What one file, or one `mod` with braces in it, says.
#[derive(Default)]
struct Module {
    /// What its `use` lines bring in: by which name, and the whole path.
    uses: BTreeMap<String, Vec<ModulePath>>,
    /// What its `use` lines with a star bring in.
    globs: Vec<ModulePath>,
    /// Paths that it writes out in full (`crate::`, `super::`, `self::`, or one of its children first).
    paths: BTreeSet<ModulePath>,
    /// Types that it defines.
    types: Vec<String>,
}

impl Source {
    /// The source below `src/` of a crate's folder, from `lib.rs`, and from `main.rs` where there is no library.
    pub(crate) fn of_crate(folder: &str) -> Self {
        let src = root().join(folder).join("src");
        let first = ["lib.rs", "main.rs"].map(|file| src.join(file)).into_iter().find(|file| file.exists());
        let mut source = Self { modules: BTreeMap::new() };
        source.read(&first.unwrap_or_else(|| panic!("{folder} has no lib.rs and no main.rs")), &src, &[]);
        for program in fs::read_dir(src.join("bin")).into_iter().flatten().flatten() {
            let name = program.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            source.read(&program.path(), &src.join("bin"), &[format!("bin {name}")]);
        }
        source
    }

    /// Arrows between modules: who uses whom.
    pub(crate) fn arrows(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut arrows = BTreeSet::new();
        for (from, module) in &self.modules {
            let used = module.uses.values().flatten().chain(&module.globs).chain(&module.paths);
            let targets = used.filter_map(|path| self.home_of(path, 0));
            arrows.extend(targets.filter(|to| to != from).map(|to| (from.clone(), to)));
        }
        arrows
    }

    /// The modules right below the root.
    pub(crate) fn top(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().filter(|path| path.len() == 1).map(|path| path[0].as_str())
    }

    /// Every type that is defined, and the module that defines it.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, &ModulePath)> {
        self.modules.iter().flat_map(|(path, module)| module.types.iter().map(move |name| (name.as_str(), path)))
    }

    /// The module where what a path names is defined, past the re-exports that it goes through.
    fn home_of(&self, path: &[String], passed: usize) -> Option<ModulePath> {
        let known = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = &path[..known];
        let Some(name) = path.get(known).filter(|_| passed < 10) else { return Some(module.to_vec()) };
        let rest = &path[known + 1..];
        let through = self.modules[module].uses.get(name).into_iter().flatten();
        let homes = through.filter(|target| target[..] != path[..known + 1]);
        let found = homes.filter_map(|target| self.home_of(&[target, rest].concat(), passed + 1)).next();
        Some(found.unwrap_or_else(|| module.to_vec()))
    }

    fn read(&mut self, file: &Path, folder: &Path, path: &[String]) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, folder, path);
    }

    fn read_items(&mut self, items: &[syn::Item], folder: &Path, path: &[String]) {
        let modules =
            items.iter().filter_map(|item| if let syn::Item::Mod(module) = item { Some(module) } else { None });
        let children: Vec<_> = modules.filter(|module| !is_test(&module.attrs)).collect();
        let mut reader = Reader { path, module: Module::default(), children: &children };
        items.iter().for_each(|item| reader.visit_item(item));
        let module = reader.module;
        self.modules.insert(path.to_vec(), module);
        for child in children {
            let name = child.ident.to_string();
            let below = [path, std::slice::from_ref(&name)].concat();
            match &child.content {
                Some((_, items)) => self.read_items(items, &folder.join(&name), &below),
                None if path_attribute(&child.attrs) => {}
                None => {
                    let files = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                    let file = files.iter().find(|file| file.exists());
                    let file = file.unwrap_or_else(|| panic!("{}: no file for `mod {name}`", folder.display()));
                    self.read(file, &folder.join(&name), &below);
                }
            }
        }
    }
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

struct Reader<'a> {
    path: &'a [String],
    module: Module,
    children: &'a [&'a syn::ItemMod],
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let defined = match item {
            syn::Item::Struct(it) => Some((&it.ident, &it.attrs)),
            syn::Item::Enum(it) => Some((&it.ident, &it.attrs)),
            syn::Item::Union(it) => Some((&it.ident, &it.attrs)),
            syn::Item::Trait(it) => Some((&it.ident, &it.attrs)),
            syn::Item::Type(it) => Some((&it.ident, &it.attrs)),
            syn::Item::Macro(it) if !is_test(&it.attrs) => {
                self.module.types.extend(types_in(&it.mac).into_iter().map(|it| it.name));
                None
            }
            _ => None,
        };
        if is_test(attributes(item)) {
            return;
        }
        self.module.types.extend(defined.map(|(ident, _)| ident.to_string()));
        visit::visit_item(self, item);
    }

    /// Modules in braces are read as modules.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take_use(&item.tree, &mut Vec::new());
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let relative = matches!(segments[0].as_str(), "crate" | "super" | "self");
        if relative || (segments.len() > 1 && self.children.iter().any(|child| child.ident == segments[0])) {
            self.module.paths.extend(self.absolute(&segments));
        }
        visit::visit_path(self, path);
    }
}

impl Reader<'_> {
    fn take_use(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.take_use(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.take_use(item, before)),
            syn::UseTree::Glob(_) => self.module.globs.extend(self.absolute(before)),
            syn::UseTree::Name(name) => self.bring_in(before, &name.ident.to_string(), &name.ident.to_string()),
            syn::UseTree::Rename(name) => self.bring_in(before, &name.ident.to_string(), &name.rename.to_string()),
        }
    }

    fn bring_in(&mut self, before: &[String], named: &str, known_as: &str) {
        let mut whole = before.to_vec();
        if named != "self" {
            whole.push(named.to_owned());
        }
        let known_as = if known_as == "self" { before.last().cloned() } else { Some(known_as.to_owned()) };
        if let (Some(path), Some(known_as)) = (self.absolute(&whole), known_as) {
            self.module.uses.entry(known_as).or_default().push(path);
        }
    }

    /// The path from the crate's root; none for one that leads into another crate.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let mut whole = self.path.to_vec();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => whole.clear(),
            "self" => {}
            "super" => {
                whole.pop();
                while rest.get(1).is_some_and(|next| next == "super") {
                    whole.pop();
                    rest = &rest[1..];
                }
            }
            first if self.children.iter().any(|child| child.ident == first) => {
                whole.push(first.to_owned());
            }
            _ => return None,
        }
        whole.extend_from_slice(&rest[1..]);
        Some(whole)
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// A type that a macro is given to define, or that the definition of one has, as written there.
pub(crate) struct MacroType {
    pub(crate) name: String,
    pub(crate) is_enum: bool,
    pub(crate) is_public: bool,
    pub(crate) is_non_exhaustive: bool,
}

/// The types in a macro, but for those whose names are its parameters.
pub(crate) fn types_in(call: &syn::Macro) -> Vec<MacroType> {
    let mut types = Vec::new();
    let tokens = TokenBuffer::new2(call.tokens.clone());
    collect_types(tokens.begin(), &mut types);
    types
}

fn collect_types(mut tokens: Cursor<'_>, types: &mut Vec<MacroType>) {
    // The attributes and words since the last item.
    let mut before: Vec<String> = Vec::new();
    while let Some((token, next)) = tokens.token_tree() {
        let keyword = tokens.ident().map(|(word, _)| word.to_string());
        if let Some((inside, ..)) = tokens.any_group() {
            collect_types(inside, types);
        }
        if let (Some("struct" | "enum" | "trait"), Some((name, _))) = (keyword.as_deref(), next.ident()) {
            types.push(MacroType {
                name: name.to_string(),
                is_enum: keyword.as_deref() == Some("enum"),
                is_public: before.last().is_some_and(|word| word == "pub"),
                is_non_exhaustive: before.iter().any(|word| word == "[non_exhaustive]"),
            });
            before.clear();
        } else {
            before.push(token.to_string());
        }
        if before.last().is_some_and(|last| last.starts_with('{') || last == ";") {
            before.clear();
        }
        tokens = next;
    }
}

/// Whether something is compiled for tests only.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let said = list.tokens.to_string();
        list.path.is_ident("cfg")
            && (said == "test" || said == "doctest" || said.starts_with("all (test") || said.starts_with("all(test"))
    })
}

fn path_attribute(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("path"))
}
