"""The words of a hotel: stays, money, rooms, reservations, guests, folios, and what can go wrong.

Frozen models without input or output. No vendor's name, no library of the floors above may enter.
"""
