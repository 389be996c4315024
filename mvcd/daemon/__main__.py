"""`python -m mvcd.daemon` is `mvcd`."""

import sys

from mvcd.daemon.main import main

sys.exit(main())
