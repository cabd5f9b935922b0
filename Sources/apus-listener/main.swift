// The program of a listener worker: started by apusd, with its control channel at a fixed descriptor.

import Listener

Listener.main()
