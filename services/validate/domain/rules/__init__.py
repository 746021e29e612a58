"""The rule language: read (`language`), bound to a form (`compile`), evaluated (`check`)."""
