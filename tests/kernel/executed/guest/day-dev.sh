#!/bin/bash
# A developer's part of a day: git, a build, tests, scripts, a server, a job of the own, other hosts.
say() { echo "day: $*"; }
cd || exit 1
git config --global user.email dev@example.com && git config --global user.name Dev
mkdir -p project && cd project && git init -q
for n in 1 2 3 4 5 6; do
    printf '#include <stdio.h>\nint part%s(void) { return printf("%s\\n"); }\n' $n $n > part$n.c
done
printf 'int part1(void);\nint main(void) { return part1() > 9; }\n' > main.c
printf 'OBJ = main.o part1.o part2.o part3.o part4.o part5.o part6.o\nprogram: $(OBJ)\n\tgcc -o $@ $(OBJ)\ntest: program\n\t./program\nclean:\n\trm -f program *.o\n' > Makefile
make -s -j2 && make -s test && say "a program was built"
git add . && git commit -qm first && git checkout -qb topic && sed -i 's/part1/part2/' main.c && git commit -qam second
git checkout -q master && git merge -q topic && git log --oneline && git gc -q && git clone -q . ../copy && say "git was used"
make -s clean && make -s && strip program && ./program && ldd program > /dev/null && file program
cd .. && grep -rn printf project/*.c | head -3; find project -name '*.o' -delete; ls -la; du -sh project
python3 - <<'PY'
import json, os, subprocess, tempfile, urllib.request
with tempfile.NamedTemporaryFile("w") as file:
    json.dump({"a": 1}, file)
print(subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.strip())
PY
python3 -c 'import sys; print(sys.version)'
printf 'echo built\n' > run.sh && chmod +x run.sh && ./run.sh
tar czf project.tar.gz project && gzip -t project.tar.gz && zip -qr project.zip project && unzip -qo project.zip -d unpacked && say "archives were made"
python3 -m http.server 8000 --bind 127.0.0.1 > /dev/null 2>&1 &
server=$!
until curl -s -o /dev/null http://127.0.0.1:8000/; do :; done
for n in $(seq 1 100); do curl -s -o /dev/null "http://127.0.0.1:8000/project.zip" "http://127.0.0.1:8080/large"; done
kill $server
say "web servers were under load"
ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR localhost uptime
scp -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR project.zip localhost:copied.zip
rsync -a -e 'ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR' project/ localhost:mirror/ && say "other hosts were used"
echo "* * * * * date >> $HOME/cron.log" | crontab -
crontab -l
sudo systemctl restart nginx && sudo journalctl -u nginx -n 5 --no-pager > /dev/null && sudo tail -n 2 /var/log/nginx/access.log > /dev/null
sudo -l > /dev/null; id; groups; env > /dev/null; history | tail -n 1
echo 'alias ll="ls -l"' > .bash_aliases; mkdir -p .config/tool .cache/tool && echo x > .config/tool/settings
vim.tiny -es -u NONE +'normal oline' +wq notes.txt 2> /dev/null
echo c2V0dGluZw== | base64 -d; base64 notes.txt > /dev/null; sha256sum notes.txt
until [ -s cron.log ]; do sleep 1; done
say "the own job ran"
crontab -r
strace -c true 2> /dev/null; gcc --version | head -1; make --version | head -1
# What developers do besides.
git -C ~/project config alias.st status; git config --global core.editor vim.tiny; git -C ~/project stash -q 2> /dev/null; git -C ~/project log -1 > /dev/null
printf '#!/bin/sh\nmake -s test\n' > ~/project/.git/hooks/pre-push && chmod +x ~/project/.git/hooks/pre-push
printf 'set number\n' > ~/.vimrc; mkdir -p ~/bin ~/.local/bin && cp ~/project/program ~/.local/bin/prog && ~/.local/bin/prog && PATH=$HOME/.local/bin:$PATH prog
mkdir -p /tmp/try && printf 'int main(void) { return 0; }\n' > /tmp/try/a.c && gcc -o ~/bin/a /tmp/try/a.c && ~/bin/a && rm -r /tmp/try
python3 - <<'PY'
import concurrent.futures, os, pathlib, shutil, socket, sqlite3, subprocess, tempfile
folder = pathlib.Path(tempfile.mkdtemp())
database = sqlite3.connect(folder / "x.db"); database.execute("create table t(a)"); database.commit()
for number in range(40):
    (folder / f"{number}.txt").write_text("x" * number); (folder / f"{number}.txt").rename(folder / f"{number}.txt.done")
with concurrent.futures.ThreadPoolExecutor() as pool:
    list(pool.map(lambda n: subprocess.run(["/bin/echo", str(n)], stdout=subprocess.DEVNULL), range(20)))
with socket.create_connection(("127.0.0.1", 8080)) as link: link.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
shutil.rmtree(folder); os.chdir("/")
PY
find project -name '*.c' -exec grep -l printf {} + > /dev/null; find . -maxdepth 2 -type d | xargs -n 1 ls -d > /dev/null; awk 'BEGIN { while (("ls" | getline line) > 0) n++; print n }'
perl -e 'print join(",", map { $_ * 2 } 1 .. 3), "\n"'; perl -MPOSIX -le 'print strftime("%F", localtime)'; printf 'a\nb\n' | tr 'a-z' 'A-Z' | sort | uniq -c > /dev/null
timeout 3 ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -N -L 8081:127.0.0.1:8080 localhost
curl -s -o tool http://127.0.0.1:8080/large; file tool > /dev/null; openssl rand -hex 16 > /dev/null; gpg --list-keys > /dev/null 2>&1; ssh-keygen -lf .ssh/id_rsa.pub > /dev/null; ssh-add -l > /dev/null 2>&1
sudo make -s -C project program; sudo install -m 755 project/program /usr/local/bin/our-program && our-program > /dev/null; sudo tee /etc/nginx/conf.d/dev.conf > /dev/null <<< 'server { listen 8082; root /home/dev/project; }'; sudo nginx -t 2> /dev/null
cat /etc/os-release > /dev/null; hostname; uname -r; df -h . > /dev/null; ps aux | grep '[n]ginx' > /dev/null; nproc; locale > /dev/null; cat /proc/meminfo | head -n 1
say "the developer is done"
