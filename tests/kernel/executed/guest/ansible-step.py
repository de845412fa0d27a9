# What a module of Ansible does when it has arrived: it looks at the host, puts a file in place, sees to a service.
import json, os, pwd, shutil, subprocess, sys, tempfile
facts = {"user": pwd.getpwuid(os.getuid()).pw_name, "kernel": os.uname().release}
subprocess.run(["/bin/sh", "-c", "LANG=C systemctl show nginx"], capture_output=True)
subprocess.run(["/usr/bin/dpkg-query", "-W", "nginx-light"], capture_output=True)
subprocess.run(["/usr/sbin/sysctl", "-n", "kernel.hostname"], capture_output=True)
if os.getuid() == 0:
    draft = tempfile.NamedTemporaryFile("w", delete=False, dir="/etc/nginx/conf.d", prefix=".ansible_tmp")
    draft.write("gzip_static on;\n"); draft.close()
    os.chmod(draft.name, 0o644); shutil.move(draft.name, "/etc/nginx/conf.d/managed.conf")
    subprocess.run(["/usr/sbin/useradd", "-r", "-s", "/usr/sbin/nologin", "svc-managed"])
    subprocess.run(["/usr/bin/systemctl", "restart", "cron"])
    open("/etc/cron.d/managed", "w").write("5 4 * * * root /usr/bin/true\n")
print(json.dumps({"changed": True, "facts": facts}))
