# Makes the file system of a container in a fresh mount namespace and becomes its process.
# container.sh PROGRAM NAME ADDRESS HOST ro|rw [SOURCE TARGET ro|rw]... -- COMMAND...
set -eu
program=$1 name=$2 address=$3 host=$4 mode=$5
shift 5
cd /run/cluster/root
mount -t tmpfs -o mode=755 tmpfs .
cd /run/cluster/root
mkdir app dev etc proc root run tmp var
for folder in bin sbin lib lib32 lib64 libx32 nix usr; do
  if [ -L "/$folder" ]; then
    cp -P "/$folder" .
  elif [ -d "/$folder" ]; then
    mkdir "$folder"
    mount --rbind "/$folder" "$folder"
  fi
done
mount --rbind /dev dev
mount --rbind /proc proc
for file in passwd group nsswitch.conf ld.so.cache; do
  [ ! -e "/etc/$file" ] || cp "/etc/$file" etc/
done
printf '127.0.0.1 localhost\n%s %s\n' "$address" "$host" >etc/hosts
: >"app/$name"
mount --bind "$program" "app/$name"
ln -s "app/$name" "$name"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then
    mkdir -p ".$2"
  else
    mkdir -p ".${2%/*}"
    : >".$2"
  fi
  mount --bind "$1" ".$2"
  [ "$3" = rw ] || mount -o remount,bind,ro ".$2"
  shift 3
done
shift
[ "$mode" = rw ] || mount -o remount,bind,ro .
exec chroot . "$@"
