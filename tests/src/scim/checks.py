"""The checks of scim2-tester of a server, a line of JSON for each: its status, what it is about, and why it failed."""
import json, sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

base_url, token = sys.argv[1:]
http = httpx2.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
client = SyncSCIMClient(http)
client.discover()
for result in check_server(client):
    print(json.dumps([result.status.name, result.title, result.reason]))
