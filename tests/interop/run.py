import os,subprocess,sys
os.system("ip -br a; ss -ltn | wc -l")
cache=os.environ["INTEROP_CACHE"]
conf=cache+"/run/vrfyd.conf"
os.makedirs(cache+"/run/vrfyd",exist_ok=True)
open(conf,"w").write(f"""listen=127.0.0.1:0
auth=off
hello_name = probe.lab.test
source_addresses = 127.10.9.9
resolver = 127.10.0.54:5353
ports = smtp=2525 imap=1143 imaps=1993
allow_networks = 127.10.0.0/16
allow_special_names = test
ca_file = {cache}/certificates/ca.pem
lane_transaction_gap_ms = 0
lane_unknown_per_hour = 1000
data_dir = {cache}/run/vrfyd
log_addresses = plain
""")
subprocess.run([sys.argv[1],"check","--json","--config",conf]+open("/tmp/addrs").read().split(),stdout=open("/tmp/interop.out","w"))
