//! Owns the table of options that make a program run or write something (S7).
//! Uses nothing.
//! Never lists what a program does anyway: a rule for `tar` is a rule for unpacking.

/// The options of a program that run or write. Long ones also count abbreviated, short ones also in a cluster.
pub(super) struct Row {
    pub(super) programs: &'static str,
    /// Letters; in a cluster any of them counts.
    pub(super) short: &'static str,
    /// Whole words: single-dash words of `find` and long options.
    pub(super) words: &'static str,
}

pub(super) const ROWS: &[Row] = &[
    Row {
        programs: "find",
        short: "",
        words: "-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from",
    },
    Row { programs: "fd fdfind", short: "xX", words: "--exec --exec-batch" },
    Row {
        programs: "git",
        short: "",
        words: "-O --upload-pack --receive-pack --exec --ext-diff --textconv --output --open-files-in-pager --upload-archive --template --output-directory --sendmail-cmd --to-cmd --cc-cmd --header-cmd --smtp-server bisect submodule filter-branch difftool mergetool daemon",
    },
    Row { programs: "rg", short: "z", words: "--pre --pre-glob --hostname-bin --search-zip" },
    Row {
        programs: "sort",
        short: "oT",
        words: "--output --compress-program --temporary-directory --files0-from",
    },
    Row { programs: "sed gsed", short: "if", words: "--in-place --file" },
    Row {
        programs: "awk gawk mawk nawk",
        short: "fioldDlE",
        words: "--file --include --load --exec --profile --dump-variables --debug --source",
    },
    Row {
        programs: "tar gtar bsdtar",
        short: "IFT",
        words: "--transform --xform --to-command --checkpoint-action --use-compress-program --info-script --new-volume-script --rsh-command --rmt-command --absolute-names",
    },
    Row { programs: "zip", short: "T", words: "--test --unzip-command" },
    Row {
        programs: "man",
        short: "HPXtT",
        words: "--html --pager --gxditview --troff --recode --preprocessor",
    },
    Row { programs: "ssh", short: "oFEPSDLRJwI", words: "" },
    Row { programs: "sftp", short: "oFEPSDLRJwIbs", words: "" },
    Row { programs: "scp", short: "oFSJD", words: "" },
    Row { programs: "ssh-keygen ssh-add", short: "Dsw", words: "" },
    Row {
        programs: "rsync",
        short: "eM",
        words: "--rsh --rsync-path --log-file --write-batch --only-write-batch --remote-option --daemon --config --early-input",
    },
    Row {
        programs: "vi vim nvim view ex vimdiff gvim rvim",
        short: "cSusWwrV",
        words: "--cmd --startuptime --listen --server",
    },
    Row { programs: "emacs", short: "flL", words: "--eval --load --script --funcall --execute -batch" },
    Row {
        programs: "curl",
        short: "oOKDcJT",
        words: "--output --remote-name --remote-name-all --output-dir --config --dump-header --cookie-jar --trace --trace-ascii --stderr --libcurl --etag-save --hsts --alt-svc --upload-file --engine --proto-redir --remote-header-name --unix-socket --abstract-unix-socket --ssl-sessions",
    },
    Row {
        programs: "wget",
        short: "OPeixa",
        words: "--output-document --output-file --append-output --directory-prefix --execute --input-file --config --use-askpass --warc-file --post-file --body-file --save-cookies --rejected-log --hsts-file",
    },
    Row {
        programs: "less more",
        short: "oOkT",
        words: "--log-file --LOG-FILE --lesskey-file --lesskey-src --lesskey-content",
    },
    Row { programs: "env", short: "SC", words: "--split-string --chdir" },
    Row {
        programs: "gcc g++ cc c++ clang clang++",
        short: "",
        words: "-B -wrapper -specs -load -ld-path -iplugindir",
    },
    Row { programs: "go", short: "", words: "-exec -toolexec -vettool -overlay -modfile -C -w" },
    Row {
        programs: "pytest py.test",
        short: "pco",
        words: "--override-ini --config-file --rootdir --confcutdir --pdbcls --basetemp --junitxml --junit-xml --log-file --debug",
    },
    Row {
        programs: "node nodejs",
        short: "repC",
        words: "--require --import --eval --print --loader --experimental-loader --env-file --env-file-if-exists --openssl-config --test-reporter --run",
    },
    Row { programs: "perl", short: "eEMmIdix", words: "" },
    Row { programs: "ruby", short: "erICix", words: "--require" },
    Row {
        programs: "php",
        short: "rRBEFdzc",
        words: "--run --define --php-ini --zend-extension --process-code --process-begin --process-end --process-file",
    },
    Row { programs: "lua luajit", short: "el", words: "" },
    Row {
        programs: "docker podman nerdctl",
        short: "H",
        words: "--privileged --host --context --config --cap-add --device --security-opt --pid --ipc --userns --uts --cgroupns --volumes-from --mount",
    },
    Row { programs: "kubectl oc", short: "", words: "--kubeconfig --cache-dir --profile --profile-output" },
    Row { programs: "helm", short: "", words: "--kubeconfig --post-renderer --post-renderer-args" },
    Row {
        programs: "gdb",
        short: "",
        words: "-ex -ix -eix -iex -eiex -x --command --eval-command --init-command --init-eval-command --early-init-command --early-init-eval-command",
    },
    Row {
        programs: "lldb",
        short: "oOsSQK",
        words: "--one-line --one-line-before-file --one-line-on-crash --source --source-before-file --source-on-crash --source-quietly",
    },
    Row { programs: "strace ltrace", short: "oE", words: "--output --env" },
    Row { programs: "7z 7za 7zr 7zz", short: "", words: "-o -w -sfx" },
    Row { programs: "tcpdump", short: "zwW", words: "--postrotate-command" },
    Row { programs: "nmap", short: "", words: "--script --script-args --datadir -o" },
    Row { programs: "openssl", short: "", words: "-engine -provider -provider-path -config -out" },
    Row { programs: "bat batcat", short: "", words: "--pager --config-file" },
    Row { programs: "yq", short: "is", words: "--inplace --in-place --split-exp" },
    Row { programs: "sqlite3", short: "", words: "-cmd -init" },
    Row { programs: "psql", short: "foLv", words: "--file --output --log-file --set --variable" },
    Row {
        programs: "mysql mariadb",
        short: "",
        words: "--pager --tee --init-command --defaults-file --defaults-extra-file --plugin-dir",
    },
    Row {
        programs: "gradle gradlew",
        short: "",
        words: "-I -b --init-script --build-file --include-build --settings-file",
    },
    Row { programs: "mvn mvnw", short: "", words: "-f --file -s --settings -gs --global-settings" },
    Row { programs: "cargo", short: "", words: "--config" },
    Row {
        programs: "npm pnpm yarn bun",
        short: "",
        words: "--script-shell --shell --shell-mode --node-options --git --userconfig --globalconfig --init-module --editor --viewer --browser --python --pnpmfile --global-pnpmfile --use-yarnrc --preload --config.script-shell",
    },
    Row { programs: "make gmake", short: "E", words: "--eval" },
    Row { programs: "split", short: "", words: "--filter" },
    Row { programs: "tree", short: "o", words: "" },
    Row { programs: "date", short: "s", words: "--set" },
    Row { programs: "file", short: "C", words: "--compile" },
    Row { programs: "xxd", short: "", words: "-r -revert" },
];
