#!/usr/bin/env python3
"""Reads a Backend API completely with the official library clerk-backend-api, which validates every response.

    list.py http://127.0.0.1:4011 sk_test_…

Prints {"instance": "ins_…", "lists": {"users": [ids], …}, "objects": [ids of the objects that were read one by one]}."""

import json
import sys
from collections.abc import Callable
from typing import Any

from clerk_backend_api import Clerk

LIMIT = 7


def all_ids(page: Callable[..., Any]) -> list[str]:
    """Reads pages until one is not full."""
    ids: list[str] = []
    while True:
        answer = page(limit=LIMIT, offset=len(ids))
        objects = answer if isinstance(answer, list) else answer.data
        ids.extend(found.id for found in objects)
        if len(objects) < LIMIT:
            return ids


def main() -> None:
    server_url, key = sys.argv[1:]
    with Clerk(bearer_auth=key, server_url=server_url) as clerk:
        lists = {
            "users": all_ids(lambda **page: clerk.users.list(request={"order_by": "created_at", **page})),
            "organizations": all_ids(lambda **page: clerk.organizations.list(include_members_count=True, **page)),
            "memberships": all_ids(clerk.users.get_instance_organization_memberships),
            "invitations": all_ids(clerk.organization_invitations.get_all),
            "domains": all_ids(clerk.organization_domains.list_all),
            "roles": all_ids(clerk.organization_roles.list),
            "permissions": all_ids(clerk.organization_permissions.list),
            "waitlist_entries": all_ids(clerk.waitlist_entries.list),
        }
        invitations = clerk.organization_invitations.get_all(limit=500).data
        objects = [
            *(clerk.users.get(user_id=id) for id in lists["users"]),
            *(clerk.organizations.get(organization_id=id) for id in lists["organizations"]),
            *(clerk.organization_roles.get(organization_role_id=id) for id in lists["roles"]),
            *(clerk.organization_permissions.get(permission_id=id) for id in lists["permissions"]),
            *(
                clerk.organization_invitations.get(organization_id=found.organization_id, invitation_id=found.id)
                for found in invitations
            ),
        ]
        # The list inside an organization has another schema than the list of all invitations.
        for id in lists["organizations"]:
            all_ids(lambda **page: clerk.organization_invitations.list(organization_id=id, **page))
            all_ids(lambda **page: clerk.organization_memberships.list(organization_id=id, **page))
        instance = clerk.instance_settings.get()
    print(json.dumps({"instance": instance.id, "lists": lists, "objects": [found.id for found in objects]}))


main()
