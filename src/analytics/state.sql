/* analytics: views only */
