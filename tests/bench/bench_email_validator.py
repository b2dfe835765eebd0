"""bench_email_validator.py FILE - addresses a second of python3-email-validator, syntax only."""
import sys
import time

try:
    from email_validator import EmailNotValidError, validate_email
except ImportError:
    sys.exit("python3-email-validator is not installed")

addresses = open(sys.argv[1], encoding="utf-8").read().split("\n")[:-1]
begin = time.process_time()
for address in addresses:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        pass
print(len(addresses) / (time.process_time() - begin))
