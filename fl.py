
from flask import Flask,Response,request
application=Flask(__name__)
@application.get('/d')
def d(): return Response((b'x'*65536 for _ in range(40)),headers={'Content-Disposition':'attachment; filename="%s"'%request.args['f']})
@application.get('/')
def i(): return 'hi'
