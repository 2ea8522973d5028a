//! Owns the list of places in a home where secrets usually lie.
//! Uses what the programs that keep them document.
//! Never looks whether they are there.

use std::path::{Path, PathBuf};

/// Below the home.
const SECRETS: &[&str] = &[
    // Keys, and the agents that hold them.
    ".ssh",
    ".gnupg",
    ".pki",
    ".age",
    ".config/age",
    ".config/sops",
    ".1password",
    ".config/1Password",
    ".config/op",
    ".bitwarden",
    ".config/Bitwarden CLI",
    ".password-store",
    ".local/share/gopass",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".kde4/share/apps/kwallet",
    ".vault-token",
    // Clouds and clusters.
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/doctl",
    ".config/hcloud",
    ".config/linode-cli",
    ".oci",
    ".kube",
    ".fly",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".pulumi/credentials.json",
    ".config/containers/auth.json",
    ".docker/config.json",
    // Container services that start whatever they are asked to.
    ".docker/run",
    ".docker/desktop",
    ".colima",
    ".lima",
    ".orbstack/run",
    ".local/share/containers/podman/machine",
    // Registries and forges.
    ".netrc",
    "_netrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".composer/auth.json",
    ".config/composer/auth.json",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".git-credentials",
    ".config/git/credentials",
    ".config/gh",
    ".config/glab-cli",
    ".config/hub",
    ".config/tea",
    // Services and agents.
    ".huggingface/token",
    ".cache/huggingface/token",
    ".config/openai",
    ".config/anthropic",
    ".codex",
    ".claude",
    ".claude.json",
    ".gemini",
    ".config/github-copilot",
    ".local/share/opencode/auth.json",
    ".config/rclone",
    ".s3cfg",
    ".boto",
    ".pgpass",
    ".my.cnf",
    ".mylogin.cnf",
    ".config/filezilla",
    // Browsers and mail.
    ".mozilla",
    ".thunderbird",
    ".config/google-chrome",
    ".config/chromium",
    ".config/BraveSoftware",
    ".config/microsoft-edge",
    ".config/vivaldi",
    ".config/opera",
    "snap/firefox",
    "snap/chromium",
    ".var/app",
    ".config/Signal",
    ".config/Slack",
    ".config/discord",
    // What was typed.
    ".bash_history",
    ".zsh_history",
    ".local/share/fish/fish_history",
    ".python_history",
    ".node_repl_history",
    ".psql_history",
    ".mysql_history",
    // Loci's own: logs of sessions, and what is trusted.
    ".local/share/loci",
    ".config/loci",
    ".local/state/loci",
    // macOS.
    "Library/Keychains",
    "Library/Cookies",
    "Library/Mail",
    "Library/Messages",
    "Library/Application Support/Google/Chrome",
    "Library/Application Support/Firefox",
    "Library/Application Support/BraveSoftware",
    "Library/Application Support/1Password",
    "Library/Application Support/loci",
];

/// Outside of any home: readable for root alone, and a command may run as root.
const OF_THE_SYSTEM: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/krb5.keytab",
    "/etc/NetworkManager/system-connections",
    "/etc/wireguard",
    "/etc/rancher",
    "/etc/kubernetes",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/systemd/credential.secret",
    "/var/spool/cron",
    "/var/spool/mail",
    "/var/mail",
    "/boot",
];

/// Where secrets usually lie, for [`super::Profile::hidden`]: those of this home and those of the system.
#[must_use]
pub fn secret_places(home: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = SECRETS.iter().map(|place| home.join(place)).collect();
    places.extend(OF_THE_SYSTEM.iter().map(PathBuf::from));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_covers_what_is_known_and_is_plain() {
        let places = secret_places(Path::new("/home/dev"));
        for place in
            [".ssh", ".aws", ".netrc", ".cargo/credentials.toml", ".config/gh", ".kube", ".local/share/loci"]
        {
            assert!(places.contains(&Path::new("/home/dev").join(place)), "{place}");
        }
        assert!(places.contains(&"/etc/shadow".into()));
        let mut sorted = places.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), places.len(), "none twice");
    }
}
