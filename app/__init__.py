"""The PMS gateway: one REST API in front of many hotel property-management systems."""
