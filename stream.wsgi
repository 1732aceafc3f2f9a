
import time
def application(e,s):
    s('200 OK',[])
    if e['PATH_INFO']=='/stream':
        def g():
            time.sleep(.003)
            for _ in range(64): yield b'x'*65536
        return g()
    if e['PATH_INFO']=='/big':
        def g():
            time.sleep(.003)
            for _ in range(1600): yield b'x'*65536
        return g()
    return [b'ok']
