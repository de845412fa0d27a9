#!/bin/sh
# One procedure: its prerequisites (what is missing is fetched once), then its command under a time limit. Says on
# standard error how it went, for what is collected afterwards has standard output.
#   step.sh FOLDER SHELL SECONDS MARKER
folder=$1 shell=$2 limit=$3 marker=$4
# As a person has it who may use sudo.
PATH=$PATH:/usr/sbin:/sbin
cd "$HOME" || exit 1
[ ! -e /run/lab/used ] || exit 1
exec >&2
out=/run/lab/out
meets() { timeout -k 2 60 "$shell" -c "$(cat "$folder/prerequisite-$1")" lab < /dev/null > $out 2>&1; }
for file in "$folder"/prerequisite-*; do
    [ -e "$file" ] || continue
    number=${file##*-}
    meets "$number" && continue
    timeout -k 2 120 "$shell" -c "$(cat "$folder/get-$number")" lab < /dev/null > $out 2>&1
    meets "$number" && continue
    echo "lab: unmet $number"
    exit 3
done
# What it prints goes to a pipe, as to a person's terminal or a runner: files are only those that it makes itself.
pipe=/run/lab/pipe
mkfifo $pipe
cat $pipe > $out &
echo "lab: parent $$"
timeout -k 3 "$limit" "$shell" -c "$(cat "$folder/command")" lab < /dev/null > $pipe 2>&1
ended=$?
# What comes after this is the lab's.
/usr/bin/true "$marker"
echo "lab: ended $ended"
head -c 20000 $out
