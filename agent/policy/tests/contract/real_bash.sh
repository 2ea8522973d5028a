# The first process of a throw-away namespace: it builds a root of its own, in which every program is a recorder or one of a
# few copied tools, and runs each file of FOLDER/programs in bash there. FOLDER/results gets, for each, its number, what was
# executed, and whether a file changed. Nothing outside the new root can be written.
#
#     unshare -Urnmp --fork bash real_bash.sh FOLDER
#
# FOLDER/recorded names the programs that only record that they were run, FOLDER/tools those that are copied,
# FOLDER/tree the folders (with a slash at the end) and files below /srv/repo.
set -eu
folder=$1
exec 9>"$folder/results"
root=$folder/root
mkdir -p "$root"
mount -t tmpfs none "$root"
cd "$root"
mkdir -p usr/bin d f proc dev tmp srv home etc log keep old template
for libraries in /lib /lib64 /usr/lib /usr/lib64; do
    if [[ -L $libraries ]]; then
        cp -a "$libraries" ".$libraries"
    elif [[ -d $libraries ]]; then
        mkdir -p ".$libraries"
        mount --bind -o ro "$libraries" ".$libraries"
    fi
done
ln -s usr/bin bin
copy() { cp -L "$(type -P "$1")" "$2"; }
for tool in bash timeout env find rm cp mount umount kill cat; do copy "$tool" d/; done
copy bash usr/bin/
while read -r tool; do copy "$tool" usr/bin/ || true; done <"$folder/tools"
cat >d/recorder <<'RECORDER'
#!/d/bash
printf -v record '%s\x1f' "$PWD" "$0" "$@"
printf '%s\x1e' "$record" >>/log/ran
RECORDER
chmod 755 d/recorder
while read -r name; do cp d/recorder "usr/bin/$name"; done <"$folder/recorded"
mkdir -p template/srv/repo template/srv/other template/srv/extra/lib template/home/dev template/tmp
while read -r entry; do
    [[ $entry == */* ]] && mkdir -p "template/srv/repo/${entry%/*}"
    case $entry in
        */) ;;
        *.recorder) cp d/recorder "template/srv/repo/${entry%.recorder}" ;;
        *) printf '%s\n' one two "$entry" three >"template/srv/repo/$entry" ;;
    esac
done <"$folder/tree"
touch dev/null
mount --bind /dev/null dev/null
mount -t proc none proc
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
for place in srv home tmp log; do mount -t tmpfs none "$place"; done
mount --bind "$folder" f
pivot_root . old
export PATH=/d
hash -r
umount -l /old
mount -o remount,ro /

fresh() {
    rm -rf /srv/* /home/* /tmp/* /srv/.[!.]* /tmp/.[!.]*
    cp -a /template/srv/. /srv/
    cp -a /template/home/. /home/
    state=$(find /srv /home /tmp -printf '%p %y %m %s %C@\n')
}
handler='() { local r; printf -v r "%s\x1f" "$PWD" "?$1" "${@:2}"; printf "%s\x1e" "$r" >>/log/ran; return 127; }'
fresh
for program in /f/programs/*; do
    : >/log/ran
    cd /srv/repo
    IFS= read -rd '' text <"$program" || true
    timeout -s KILL 2 env -i PATH=/usr/bin HOME=/home/dev "BASH_FUNC_command_not_found_handle%%=$handler" \
        /usr/bin/bash -c "$text" </dev/null >/dev/null 2>&1 9>&- || true
    # What it left in the background is not waited for long.
    for _ in 1 2 3 4 5; do
        kill -0 -1 2>/dev/null || break
        read -rt 0.02 <> <(:) || true
    done
    kill -KILL -1 2>/dev/null || true
    cd /
    now=$(find /srv /home /tmp -printf '%p %y %m %s %C@\n')
    changed=
    if [[ $now != "$state" ]]; then
        changed=changed
        fresh
    fi
    printf '%s\x1c%s\x1c' "${program##*/}" "$changed" >&9
    cat /log/ran >&9
    printf '\x1d' >&9
done
