"""From an approved plan to confirmed transactions: what both wings of ``chains/`` share.

Order: ``lock.run_lock``; ``settle`` what is open (the wing's execution/settle.py); ``rehearse`` the plan (rehearse.py);
``Approver.approve`` it (approvals.py); ``execute_leg`` each leg (leg.py), after observing its market again. Live run,
dry run and rehearsal differ only in the approver and in the node that the wing's ``Account`` is given.
"""
