#!/bin/sh
# What `make install` does: puts everything where a package of a distribution would, below DESTDIR.
# DEPENDENCIES=no leaves out what gslb imports, for whoever packages that, too.
set -eu
: "${DESTDIR:=}" "${PREFIX:=/usr}" "${PYTHON:=python3}" "${TARGET_PYTHON:=$PREFIX/bin/python3}"
root=$DESTDIR$PREFIX
library=$root/lib/gslb

put() { # MODE SOURCE TARGET
    install -D -m "$1" "$2" "$3"
}

into_library() {
    "$PYTHON" -m pip --quiet --disable-pip-version-check --no-input install --no-compile \
        --root-user-action ignore --upgrade --target "$library" "$@"
}

rm -rf "$library"
[ "${DEPENDENCIES:=yes}" = no ] || into_library --require-hashes -r requirements.txt
into_library --no-deps --no-index dist/*.whl
rm -rf "${library:?}/bin"
# Another version of Python would run the sources that lie beside the compiled modules.
if [ "${COMPILED:-no}" = yes ] && command -v "$TARGET_PYTHON" >/dev/null; then
    suffix=$("$TARGET_PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    set -- "$library"/*"$suffix"
    [ -e "$1" ] || { echo "install: $TARGET_PYTHON runs *$suffix, and the wheel was compiled for another one" >&2 && exit 1; }
fi

install -d "$root/bin"
cat >"$root/bin/gslb" <<END
#!/bin/sh
PYTHONPATH=$PREFIX/lib/gslb exec $TARGET_PYTHON -P -m gslb "\$@"
END
chmod 755 "$root/bin/gslb"

for unit in packaging/systemd/*.service packaging/systemd/*.socket; do
    target=$root/lib/systemd/system/${unit##*/}
    put 644 "$unit" "$target"
    sed -i "s|/usr/bin/gslb|$PREFIX/bin/gslb|" "$target"
done
put 644 packaging/systemd/gslb.sysusers "$root/lib/sysusers.d/gslb.conf"

put 644 packaging/man/gslb.1 "$root/share/man/man1/gslb.1"
put 644 packaging/man/gslb.yaml.5 "$root/share/man/man5/gslb.yaml.5"
put 644 packaging/completions/gslb.bash "$root/share/bash-completion/completions/gslb"
put 644 packaging/completions/_gslb "$root/share/zsh/vendor-completions/_gslb"
put 644 packaging/completions/gslb.fish "$root/share/fish/vendor_completions.d/gslb.fish"

for file in LICENSE docs/install.md docs/anycast.md packaging/*/*.conf; do
    put 644 "$file" "$root/share/doc/gslb/${file#*/}"
done
put 644 geodata/LICENSE "$root/share/doc/gslb/LICENSE.geodata"

put 644 packaging/gslb.logrotate "$DESTDIR/etc/logrotate.d/gslb"
for file in gslb.yaml zones/example.yaml; do # what the operator has written stays
    [ -e "$DESTDIR/etc/gslb/$file" ] || put 644 "packaging/$file" "$DESTDIR/etc/gslb/$file"
done
install -d -m 750 "$DESTDIR/var/lib/gslb" "$DESTDIR/var/log/gslb"
