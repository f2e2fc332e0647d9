/* operation: nothing stored yet */
