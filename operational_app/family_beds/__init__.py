"""家庭养老床位: opening and closing a bed at home, its agreement. Not here: devices and alarms (devices)."""
