"""From an approved plan to confirmed transactions: the code that both chain families (``chains/evm``,
``chains/solana``) share.

Order: ``lock.run_lock``; ``settle`` what is open (execution/settle.py of the family); ``rehearse`` the plan
(rehearse.py); ``Approver.approve`` it (approvals.py); ``execute_leg`` for each leg (leg.py), after observing its market
again. Live run, dry run and rehearsal differ only in the approver and in the node that the family's ``Account`` is
given.
"""
