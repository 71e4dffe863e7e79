"""Image operations against independent implementations and on the delegate."""
