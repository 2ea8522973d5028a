//! The tree that the tables speak of.

use loci_policy::Context;
use loci_policy::batch::Tree;

pub(crate) fn tree() -> Tree {
    let mut tree = Tree::default();
    for folder in [
        "src",
        "docs",
        "tests",
        "build",
        "target",
        ".git/hooks",
        ".loci",
        "secrets",
        "vendor/lib/.git",
        "a b",
    ] {
        tree.folder(format!("/srv/repo/{folder}"));
    }
    for bare in ["objects", "refs"] {
        tree.folder(format!("/srv/repo/fixtures/bare/{bare}"));
    }
    for file in [
        "src/main.rs",
        "src/lib.rs",
        "README.md",
        "Cargo.toml",
        ".env",
        "secrets/key",
        "fixtures/bare/HEAD",
        ".git/config",
    ] {
        tree.file(format!("/srv/repo/{file}"));
    }
    for folder in ["/srv/other", "/srv/extra/lib", "/srv/repo-evil", "/home/dev/.ssh", "/etc", "/tmp"] {
        tree.folder(folder);
    }
    for file in ["/etc/passwd", "/etc/shadow", "/home/dev/.bashrc", "/home/dev/.ssh/id_rsa"] {
        tree.file(file);
    }
    for (link, target) in [
        ("/srv/repo/link-out", "/etc"),
        ("/srv/repo/link-file", "/etc/passwd"),
        ("/srv/repo/link-in", "src"),
        ("/srv/repo/link-env", ".env"),
        ("/srv/repo/link-git", ".git"),
        ("/srv/repo/loop", "loop"),
        ("/srv/repo/up", ".."),
    ] {
        tree.link(link, target);
    }
    tree
}

pub(crate) fn context() -> Context {
    Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        additional: vec!["/srv/extra".into()],
        config_dirs: vec!["/home/dev/.config/loci".into()],
        trusted: true,
        ..Context::default()
    }
}
